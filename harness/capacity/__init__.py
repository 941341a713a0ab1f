"""Capacity: the runs of a ladder of offered load to what binds, how many agents, what to buy. Pure.

The walk: `ladder` plans levels and says when to stop, `level` reads one run, `usl` and `knee` fit
curves, `laws` holds closed forms, `binding` compares each resource with its own ceiling, `purchase`
and `prices` do the shopping, `assess` joins them. The command line runs the levels; `reports` draws
what `record` holds.
"""
