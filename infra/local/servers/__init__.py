"""The real servers beside the runner: PostgreSQL, Kafka, and moto for AWS services."""
