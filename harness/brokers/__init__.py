"""Message brokers behind one protocol; the first real ones come with scenarios that need them."""

BROKERS: tuple[str, ...] = ("none",)
