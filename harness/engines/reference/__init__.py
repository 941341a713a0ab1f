"""The reference engine: small, durable, correct; what the judge and its mutants are proven on."""
