-- An order has room for so many notes of so many bytes. Its state counts them; the notes of the
-- orders there are already are counted once from the log.

update orders set state = state || jsonb_build_object(
  'note_count', notes.number, 'note_bytes', notes.bytes
)
from (
  select order_id, count(*) as number, sum(octet_length((data -> 'text')::text) - 2) as bytes
  from order_events where type = 'NoteAdded' group by order_id
) as notes
where orders.order_id = notes.order_id;
