"""API Gateway's HTTP API, its JWT authorizer, and a local issuer of tokens."""
