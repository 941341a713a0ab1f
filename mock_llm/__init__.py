"""The witness: a mock LLM with rate limits and an effects endpoint that ledgers all calls."""
