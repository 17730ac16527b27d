"""The whole system on one machine, from template.yaml."""
