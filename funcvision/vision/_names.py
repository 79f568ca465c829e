"""Matches the names in a checkpoint with those that a model declares, without the names that wrappers add."""

import re
from collections.abc import Iterable, Iterator, Mapping

from ..functional._check import listed

__all__ = ["WRAPPERS", "matched", "modern", "possible_names", "without_common_wrappers"]

WRAPPERS = frozenset({
    "module",  # DataParallel, DistributedDataParallel, AveragedModel and other averages
    "_orig_mod",  # torch.compile
    "_fsdp_wrapped_module", "_fpw_module",  # FullyShardedDataParallel, now and in its first versions
    "_checkpoint_wrapped_module",  # activation checkpointing
    "_forward_module",  # Lightning Fabric
    "model",  # the usual attribute of a Lightning module
})  # fmt: skip
"""Parts of a name that wrappers add, at its front or, where they wrap a part of a model, inside of it."""
_AVERAGED_COUNTER = "n_averaged"  # which AveragedModel adds to the tensors of its model
_COUNTER = "num_batches_tracked"  # which checkpoints of torch before 0.4.1 lack
_OLD_NAMES = (
    (re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12]\.)"), r"\1\2"),  # DenseNet, before torch 0.4
    (re.compile(r"(encoder_layer_\d+\.mlp)\.linear_1\."), r"\1.0."),  # vision transformers, before torchvision 0.14
    (re.compile(r"(encoder_layer_\d+\.mlp)\.linear_2\."), r"\1.3."),
    # Detectors, before torchvision 0.13.
    (re.compile(r"((?:inner|layer)_blocks\.\d+)\.(weight|bias)$"), r"\1.0.\2"),
    (re.compile(r"(rpn\.head\.conv)\.(weight|bias)$"), r"\1.0.0.\2"),
    (re.compile(r"(mask_head)\.mask_fcn(\d)\."), lambda found: f"{found[1]}.{int(found[2]) - 1}.0."),
    (re.compile(r"((?:classification|regression)_head\.conv)\.([0246])\.(weight|bias)$"),
     lambda found: f"{found[1]}.{int(found[2]) // 2}.0.{found[3]}"),
)
"""Names in the files that torchvision hosts which differ from those in its models, and their replacements."""


def modern(name: str) -> str:
    """The name in torchvision's current models."""
    for old, new in _OLD_NAMES:
        name = old.sub(new, name)
    return name


def without_common_wrappers(names: Iterable[str]) -> dict[str, str]:
    """The names without the wrappers' parts that all of them begin with, by the names as given."""
    own = {name: name for name in names if name != _AVERAGED_COUNTER}
    stripped = False
    while own:
        firsts = {name.partition(".")[0] if "." in name else None for name in own.values()}
        if len(firsts) > 1 or not firsts <= WRAPPERS:
            break
        own = {name: short.partition(".")[2] for name, short in own.items()}
        stripped = True
    return own if stripped else {name: name for name in names}


def matched(names: Iterable[str], declared: Iterable[str]) -> dict[str, str]:
    """The names that a model declares for those in a checkpoint, by the names as given. Others stay as they are.

    The declared names decide. If they are exactly the given names without their first parts, of whatever kind, these
    parts are left out. Otherwise wrappers' parts are left out wherever the rest is declared.

    Raises:
        ValueError: two names would become one, or a name could become several. The message says which.

    >>> matched(["net.0._orig_mod.weight", "net.0._orig_mod.bias"], ["0.weight", "0.bias"])
    {'net.0._orig_mod.weight': '0.weight', 'net.0._orig_mod.bias': '0.bias'}
    """
    declared = set(declared)
    required = _without_counters(declared)
    given = list(names)
    own = [name for name in given if name != _AVERAGED_COUNTER or name in declared]
    for count in range(_common_parts(own) + 1):
        tails = {name: _tail(name, count) for name in own}
        for short in (tails, {name: modern(tail) for name, tail in tails.items()}):
            if _without_counters(short.values()) == required and len(set(short.values())) == len(short):
                return short
    first = _matched_anywhere(own, declared, required)
    for count in range(1, _common_parts(own) + 1):
        if required & set(first.values()):
            break
        inner = _matched_anywhere([_tail(name, count) for name in own], declared, required)
        found = set(inner.values())
        if found <= declared or required <= found:
            return {name: inner[_tail(name, count)] for name in own}
    return first


def _matched_anywhere(names: list[str], declared: set[str], required: set[str]) -> dict[str, str]:
    """The declared name for each name, where leaving out wrappers' parts gives one."""
    by_plain: dict[str, list[str]] = {}
    for one in declared:
        by_plain.setdefault(_plain(one), []).append(one)
    result: dict[str, str] = {}
    origins: dict[str, str] = {}
    for name in names:
        choices = [name] if name in declared else _choices(name, by_plain)
        if len(choices) > 1:
            raise ValueError(f"{name} could be {listed(sorted(choices))}: rename it as the model does")
        result[name] = target = choices[0] if choices else name
        if origins.setdefault(target, name) != name:
            raise ValueError(f"{origins[target]} and {name} are both {target} without the names of wrappers: keep one")
    return result


def _choices(name: str, by_plain: Mapping[str, list[str]]) -> list[str]:
    """The declared names that leaving out wrappers' parts of a name gives."""
    plain = _plain(name)
    found = by_plain.get(plain) or by_plain.get(modern(plain), [])
    given = [part for part in name.split(".") if part in WRAPPERS]
    return [one for one in found if _is_subsequence([part for part in one.split(".") if part in WRAPPERS], given)]


def _is_subsequence(parts: list[str], of: list[str]) -> bool:
    remaining = iter(of)
    return all(part in remaining for part in parts)


def possible_names(names: Iterable[str]) -> Iterator[dict[str, str]]:
    """What the names of a checkpoint may be in its model, which is not known: by the names as given, likeliest first.

    They are the names as they are, then without wrappers' parts, then also without the first parts that all share.
    """
    own = [name for name in names if name != _AVERAGED_COUNTER]
    yielded: list[dict[str, str]] = []
    plain = {name: modern(_plain(name)) for name in own}
    common = _common_parts(plain.values())
    forms = [{name: name for name in own}, {name: modern(name) for name in own}, plain]
    forms += [{name: _tail(short, count) for name, short in plain.items()} for count in range(1, common + 1)]
    for form in forms:
        if form not in yielded and len(set(form.values())) == len(form):
            yielded.append(form)
            yield form


def _plain(name: str) -> str:
    """The name without all wrappers' parts."""
    return ".".join(part for part in name.split(".") if part not in WRAPPERS)


def _tail(name: str, count: int) -> str:
    """The name without its first parts."""
    return name.split(".", count)[count]


def _common_parts(names: Iterable[str]) -> int:
    """How many first parts all names share, of which each keeps at least its last."""
    split = [name.split(".")[:-1] for name in names]
    if not split:
        return 0
    shortest, longest = min(split), max(split)  # in the order of the alphabet: what these share, all share
    count = 0
    for one, other in zip(shortest, longest, strict=False):
        if one != other:
            break
        count += 1
    return count


def _without_counters(names: Iterable[str]) -> set[str]:
    return {name for name in names if not name.endswith(_COUNTER)}
