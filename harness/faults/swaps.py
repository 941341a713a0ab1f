"""Another broker under running agents: the component is exchanged, the agents' code is not.

The pods are restarted with another component of the same name; the old broker stays up, so that
what is left behind in it can be counted afterwards.
"""

import asyncio
from dataclasses import replace

from harness.errors import HarnessError
from harness.plan import PlannedFault
from harness.protocols import EngineSpec, Healed, Stage, Struck, Switchboard

HEAL_S = 120.0
DRAIN_S, POLL_S = 60.0, 0.1
LOSS_S, SOON_S = 10.0, 0.02
QUIET_POLLS = 5
"""So often in a row nothing may be undelivered: a publish that passed the gate must show first."""


class BrokerSwap:
    """Drain and switch: publishing pauses, the old broker runs empty, the pods restart in turn.

    Nothing may be lost, and nothing may be left in the old broker.
    """

    kind = "broker_swap"
    is_shared = True

    def needs(self, engine: EngineSpec) -> str:
        """See Fault."""
        return "" if len(engine.brokers) > 1 else f"{engine.engine} has no messages over a broker"

    async def arm(self, stage: Stage, planned: PlannedFault) -> None:
        """Every pod must be healthy: one that is starting would still take the old broker."""
        down = [f"{slot} is not healthy" for slot in stage.slots() if not stage.is_ready(slot)]
        if down:
            raise HarnessError(f"{planned.name}: {', '.join(down)}, so nothing is swapped")

    async def fire(self, stage: Stage, planned: PlannedFault) -> Struck:
        """Pause, drain, and restart one pod after the other; a new one publishes at once."""
        board = _board(stage)
        await board.let_publish(False)
        left = await _drained(stage)
        await board.point(planned.to)
        drained = f"drained to {left} undelivered" if left else "drained"
        return await _restarted(stage, f"{drained}, then switched to {planned.to}")

    async def heal(self, stage: Stage, planned: PlannedFault, struck: Struck) -> Healed:
        """Wait for the last pod; the others were waited for."""
        return await stage.healed(stage.slots()[-1], deadline_s=HEAL_S)


class BrokerSwapHard(BrokerSwap):
    """Hard switch: all pods restart at once with another broker, with messages in flight.

    What the old broker still holds is stranded there.
    """

    kind = "broker_swap_hard"

    async def fire(self, stage: Stage, planned: PlannedFault) -> Struck:
        """See Fault."""
        await _board(stage).point(planned.to)
        strikes = await asyncio.gather(*(stage.retire(slot) for slot in stage.slots()))
        return _joined(list(strikes), f"switched to {planned.to}")

    async def heal(self, stage: Stage, planned: PlannedFault, struck: Struck) -> Healed:
        """Wait for every pod; the times are those of the slowest."""
        healed = await asyncio.gather(
            *(stage.healed(slot, deadline_s=HEAL_S) for slot in stage.slots())
        )
        slowest = max(healed, key=lambda one: one.parts_ns.get("total", 0))
        return Healed(caller=", ".join(one.caller for one in healed), parts_ns=slowest.parts_ns)


class BrokerSwapDual(BrokerSwap):
    """Switch with a backlog left behind: pods restart in turn, and the new ones read both brokers.

    Nothing pauses; the window stays open until the next swap, or the end.
    """

    kind = "broker_swap_dual"

    def needs(self, engine: EngineSpec) -> str:
        """See Fault."""
        if engine.is_subscribing:
            return f"{engine.engine}:{engine.variant} subscribes by itself, to one broker"
        return super().needs(engine)

    async def fire(self, stage: Stage, planned: PlannedFault) -> Struck:
        """See Fault."""
        await _board(stage).point(planned.to, reads_old=True)
        return await _restarted(stage, f"switched to {planned.to}, the old one still read")


class BrokerSwapReload(BrokerSwap):
    """Hot reload: the component's file is rewritten under the sidecars, and no pod restarts.

    What the old broker still holds is stranded there.
    """

    kind = "broker_swap_reload"

    async def fire(self, stage: Stage, planned: PlannedFault) -> Struck:
        """See Fault."""
        return await _board(stage).reload(planned.to)

    async def heal(self, stage: Stage, planned: PlannedFault, struck: Struck) -> Healed:
        """Every sidecar was waited for."""
        return Healed(caller=planned.to, parts_ns={})


class BrokerSwapFlip(BrokerSwap):
    """Behind a relay: all connections are cut, and the next ones reach another server.

    No file changes and no pod restarts. What the old broker still holds is stranded there.
    """

    kind = "broker_swap_flip"

    async def fire(self, stage: Stage, planned: PlannedFault) -> Struck:
        """See Fault."""
        return await _board(stage).flip(planned.to)

    async def heal(self, stage: Stage, planned: PlannedFault, struck: Struck) -> Healed:
        """Wait until sidecars are connected again; they read from the new one a moment later."""
        await _board(stage).until_flipped(deadline_s=HEAL_S)
        return Healed(caller=planned.to, parts_ns={})


class ComponentSpoiled(BrokerSwap):
    """The component's file is no YAML for some seconds; the old broker has to go on."""

    kind = "component_spoiled"

    async def fire(self, stage: Stage, planned: PlannedFault) -> Struck:
        """See Fault."""
        return await _board(stage).spoil()

    async def heal(self, stage: Stage, planned: PlannedFault, struck: Struck) -> Healed:
        """The file was put right."""
        return Healed(caller=stage.caller(planned.slot), parts_ns={})


class BrokerKill:
    """The broker dies by SIGKILL, and is started again at once with what it had written.

    What it had acknowledged must still come.
    """

    kind = "broker_kill"
    is_shared = True

    def needs(self, engine: EngineSpec) -> str:
        """See Fault."""
        return BrokerSwap().needs(engine)

    async def arm(self, stage: Stage, planned: PlannedFault) -> None:
        """See Fault."""
        await BrokerSwap().arm(stage, planned)

    async def fire(self, stage: Stage, planned: PlannedFault) -> Struck:
        """See Fault."""
        return await _board(stage).kill()

    async def heal(self, stage: Stage, planned: PlannedFault, struck: Struck) -> Healed:
        """Bring it back: nobody else does."""
        return await _board(stage).restore()


class BrokerRestart(BrokerKill):
    """The broker is ended by SIGTERM and started again, as an upgrade does; nothing may be lost."""

    kind = "broker_restart"

    async def fire(self, stage: Stage, planned: PlannedFault) -> Struck:
        """See Fault."""
        return await _board(stage).end()


class BrokerLoss(BrokerKill):
    """The broker dies with messages on their way, and comes back without its data.

    What it had acknowledged and not delivered is lost, and nobody promised otherwise.
    """

    kind = "broker_loss"

    async def fire(self, stage: Stage, planned: PlannedFault) -> Struck:
        """Kill it when it has something to lose, or after ten seconds; empty its folder."""
        board = _board(stage)
        for _ in range(int(LOSS_S / SOON_S)):
            if (await stage.witness.progress()).undelivered:
                break
            await asyncio.sleep(SOON_S)
        struck = await board.kill()
        if not struck.proof:
            return struck
        board.forget()
        return replace(struck, proof=f"{struck.proof}; all that it had written was removed")


def _board(stage: Stage) -> Switchboard:
    if stage.switchboard is None:
        raise HarnessError("this run has no messages, so that no broker can be swapped")
    return stage.switchboard


async def _drained(stage: Stage) -> int:
    """Wait until nothing is undelivered; how many messages still are at the deadline."""
    quiet = 0
    left = 0
    for _ in range(int(DRAIN_S / POLL_S)):
        left = (await stage.witness.progress()).undelivered
        quiet = 0 if left else quiet + 1
        if quiet >= QUIET_POLLS:
            return 0
        await asyncio.sleep(POLL_S)
    return left


async def _restarted(stage: Stage, how: str) -> Struck:
    """End one pod after the other, each when the one before it is back."""
    strikes: list[Struck] = []
    for number, slot in enumerate(stage.slots()):
        if number:
            before = stage.slots()[number - 1]
            await stage.healed(before, deadline_s=HEAL_S)
        strikes.append(await stage.retire(slot))
    return _joined(strikes, how)


def _joined(strikes: list[Struck], how: str) -> Struck:
    victims = tuple(victim for struck in strikes for victim in struck.victims)
    proofs = "; ".join(struck.proof for struck in strikes if struck.proof)
    return Struck(victims=victims, proof=f"{how}: {proofs}" if proofs else "")
