"""How events leave the write side: the record on the topic and the relay that puts it there."""
