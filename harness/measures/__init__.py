"""Evidence to figures: pure, vectorized, an agent's requests side by side.

The walk: `order` sorts requests agent by agent, `portion` cuts that into pieces that fit a cache,
and what follows from a piece (`cells`, `carried`, `exposure`, `lineage`, `attempts`, `repeats`) is
computed once and shared by all checkers and figures. `recovery`, `latency` and `series` are for the
page.
"""
