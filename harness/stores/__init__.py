"""State stores behind one protocol; each started for one run on loopback."""

from harness.protocols import Store
from harness.stores.none import InMemory, NoStore, Sqlite
from harness.stores.place import StorePlace
from harness.stores.redis import Redis

STORES: dict[str, type[NoStore] | type[InMemory] | type[Sqlite] | type[Redis]] = {
    "none": NoStore,
    "in-memory": InMemory,
    "sqlite": Sqlite,
    "redis": Redis,
}


def make_store(name: str, place: StorePlace) -> Store:
    """Make the store ``name``, not yet started; the name was checked before."""
    return STORES[name](place)
