"""Message brokers behind one protocol. The first real ones come with the scenarios that need them."""

BROKERS: tuple[str, ...] = ("none",)
