"""A memory in a vector store that runs in the pod: Chroma on the slot's disk, vectors of our own.

Each of the framework's embedders downloads something at its first use or calls a provider, so texts
are embedded by their words, hashed into buckets: alike where they share words.
"""

import os
import zlib
from typing import Any

from dapr_agents.document.embedder.base import EmbedderBase
from dapr_agents.memory import ConversationVectorMemory
from dapr_agents.storage.vectorstores import ChromaVectorStore

BUCKETS = 64


class WordBuckets(EmbedderBase):  # type: ignore[misc] # It is not followed by the type checker.
    """How often a text has a word of each bucket; the framework calls it as a function."""

    def embed(self, query: str, **_: Any) -> list[float]:
        """The vector of one text."""
        vector = [0.0] * BUCKETS
        for word in query.lower().split() or [""]:
            vector[zlib.crc32(word.encode()) % BUCKETS] += 1.0
        return vector

    @staticmethod
    def name() -> str:
        """Chroma 1.5 asks for it; the framework's EmbedderBase has none."""
        return "word-buckets"

    @staticmethod
    def is_legacy() -> bool:
        """Whether Chroma could not make it again from what a collection keeps: so it is."""
        return True

    def __call__(self, input: list[str]) -> list[list[float]]:
        """The vectors of texts; Chroma looks for the parameter's name."""
        return [self.embed(text) for text in input]


def vector_memory() -> ConversationVectorMemory:
    """The framework's memory on a Chroma of this slot; it outlives the slot's processes."""
    store = ChromaVectorStore(
        name="conversations",
        embedding_function=WordBuckets(),
        persistent=True,
        path=f"{os.environ['ONCEPROOF_STATE_DIR']}/vectors",
    )
    return ConversationVectorMemory(vector_store=store)
