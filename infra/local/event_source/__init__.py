"""Lambda's Kafka event-source mapping, and where it sends what it gave up on."""
