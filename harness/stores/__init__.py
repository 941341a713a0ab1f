"""State stores behind one protocol; each started for one run on loopback."""

from harness.protocols import Store
from harness.stores.none import InMemory, NoStore, SharedSqlite, Sqlite
from harness.stores.place import StorePlace
from harness.stores.postgres import Postgres
from harness.stores.redis import Redis

STORES: dict[str, type[NoStore] | type[Redis] | type[Postgres]] = {
    "none": NoStore,
    "in-memory": InMemory,
    "sqlite": Sqlite,
    "sqlite-shared": SharedSqlite,
    "redis": Redis,
    "postgres": Postgres,
}


def make_store(name: str, place: StorePlace) -> Store:
    """Make the store ``name``, not yet started; the name was checked before."""
    return STORES[name](place)
