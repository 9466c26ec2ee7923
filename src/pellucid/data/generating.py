"""What the generators of sentences share: distinct examples, so many of each group, dealt out to the splits."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from random import Random
from typing import SupportsIndex, TypeVar

from pellucid.data.sentences import Example, Pair
from pellucid.errors import InvalidArgumentError

__all__ = ["Drawn", "balanced", "check_sizes", "collect", "deal", "seeded"]

PATIENCE = 20_000  # draws without a new example, after which there is none to be had

Group = TypeVar("Group", bound=Hashable)
Made = Example | Pair
Drawn = tuple[Group, Hashable, Callable[[], Made]]  # its group; what no two may share; how to make it


def check_sizes(sizes: Mapping[str, int]) -> None:
    """Refuse sizes that are no numbers of examples."""
    if not isinstance(sizes, Mapping) or not sizes:
        raise InvalidArgumentError("sizes must name one split or more, as {'train': 10_000, 'test': 1_000}")
    for split, size in sizes.items():
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise InvalidArgumentError(f"sizes[{split!r}] must be a whole number of 1 or more, got {size!r}")


def seeded(random_state: int) -> Random:
    """Return the generator of a whole number; the same number makes the same sentences everywhere."""
    if isinstance(random_state, bool) or not isinstance(random_state, SupportsIndex):
        raise InvalidArgumentError(f"random_state must be a whole number, got {random_state!r}")
    return Random(random_state.__index__())  # noqa: S311 (data, no secrets)


def balanced(size: int, labels: Sequence[str]) -> dict[str, int]:
    """Return how many of each label make up ``size``: as many of each, the first ones taking what is left over."""
    return {label: size // len(labels) + (i < size % len(labels)) for i, label in enumerate(labels)}


def collect(
    draw: Callable[[], Drawn[Group] | None], wanted: Mapping[Group, int], seen: set[Hashable] | None = None
) -> dict[Group, list[Made]]:
    """Draw until every group has as many distinct examples as are wanted, or nothing new has come for long.

    What is in ``seen`` is not taken again, and what is taken is put there.
    """
    found: dict[Group, list[Made]] = {group: [] for group in wanted}
    missing = sum(wanted.values())
    seen = set() if seen is None else seen
    in_vain = 0
    while missing and in_vain < PATIENCE:
        in_vain += 1
        drawn = draw()
        if drawn is None:
            continue
        group, key, make = drawn
        if group not in found or len(found[group]) == wanted[group] or key in seen:
            continue
        seen.add(key)
        found[group].append(make())
        missing -= 1
        in_vain = 0
    return found


def deal(
    found: Mapping[Group, list[Made]], wanted: Mapping[str, Mapping[Group, int]], random: Random
) -> dict[str, list[Made]]:
    """Deal each group out to the splits as wanted, in the same proportions where there are too few; shuffled."""
    dealt: dict[str, list[Made]] = {split: [] for split in wanted}
    for group, examples in found.items():
        total = sum(quota.get(group, 0) for quota in wanted.values())
        random.shuffle(examples)
        asked = at = 0
        for split, quota in wanted.items():
            asked += quota.get(group, 0)
            end = asked * len(examples) // total if total else 0
            dealt[split] += examples[at:end]
            at = end
    for examples in dealt.values():
        random.shuffle(examples)
    return dealt
