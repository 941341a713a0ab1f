"""What every ring shares: a cap on hypothesis, and no example database in the checkout."""

from hypothesis import settings

settings.register_profile("onceproof", max_examples=60, deadline=None, database=None)
settings.load_profile("onceproof")
