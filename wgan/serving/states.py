"""The state of the models: which version of each is served, which should be, and what is stale and why."""

from __future__ import annotations

import time

from wgan.serving.catalogue import Catalogue, Entry
from wgan.serving.faults import without_paths
from wgan.serving.schemas import AliasState, ModelList, ModelState, Readiness


def model_state(entry: Entry, with_paths: bool) -> ModelState:
    """The state of one model; local paths are included only `with_paths`."""
    follower, now = entry.follower, time.monotonic()
    models, answered = follower.models, follower.last_answer
    aliases = {}
    for alias, state in follower.aliases.items():
        model, stale = models.under(alias), follower.stale(alias)
        aliases[alias] = AliasState(
            serving=model.version.version if model else None,
            wanted=state.wanted,
            failures=state.failures,
            version_faults=state.version_faults,
            fault=state.fault,
            stale=stale if stale is None or with_paths else without_paths(stale),
            retry_in=round(max(0.0, state.retry_at - now), 1) if state.failures else None,
        )
    reasons = [f"{alias}: {state.stale}" for alias, state in aliases.items() if state.stale]
    if follower.cache_problem is not None:
        problem = follower.cache_problem if with_paths else without_paths(follower.cache_problem)
        reasons.append(f"after a restart: {problem}")
    return ModelState(
        name=entry.name,
        ready=entry.draws,
        alias=models.alias,
        version=models.main.version.version if models.main else None,
        reason=" ".join(reasons) or None,
        aliases=aliases,
        canary_percent=models.canary_percent,
        registry_answered_seconds_ago=None if answered is None else round(now - answered, 1),
    )


def model_list(catalogue: Catalogue, with_paths: bool) -> ModelList:
    """The state of all models."""
    default = catalogue.default
    return ModelList(
        alias=catalogue.alias,
        every=catalogue.every,
        default=default.name if default else None,
        reason=catalogue.problem,
        models=[model_state(entry, with_paths) for entry in catalogue.entries.values()],
    )


def readiness(catalogue: Catalogue, with_paths: bool = False) -> Readiness:
    """The state of the process, as `/readyz` reports it."""
    states = [model_state(entry, with_paths) for entry in catalogue.entries.values()]
    default = states[0] if states else None
    explained = [state for state in states if state.reason]
    reasons = [f"{state.name}, {state.reason}" if len(states) > 1 else f"{state.reason}" for state in explained]
    if catalogue.problem and not any(catalogue.problem in reason for reason in reasons):
        reasons.append(catalogue.problem)
    return Readiness(
        ready=catalogue.is_ready,
        model=default.name if default else None,
        alias=catalogue.alias,
        version=default.version if default else None,
        reason=" ".join(reasons) or None,
        aliases=default.aliases if default else {},
        registry_answered_seconds_ago=default.registry_answered_seconds_ago if default else None,
        models=states,
    )
