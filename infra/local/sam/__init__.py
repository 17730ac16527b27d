"""`sam local invoke` beside a running stack: an engine for containers, databases, and addresses."""
