"""Reads pickles as plain data. No class or function that a pickle names is imported, called or built.

`pickle.Unpickler` imports what a pickle names, calls it and sets attributes on the result. A filter over it has to
foresee every misuse of that. `PickleReader` works the other way round: `pickletools.genops` splits the stream into
instructions, and the instructions that describe data are carried out on lists, tuples, dicts, strings and numbers. A
name stays text, a `Global`. A call of a name is looked up in a table that the caller gives; without an entry there it
becomes a `Placeholder`, an inert record of the name and the arguments. A key of a dict that is not a scalar or a short
tuple of scalars, such as a frozenset or a tensor, also becomes a `Placeholder`. The reader lists every name that the
caller does not know in `foreign`.

References: `pickletools` in Python's standard library documents every instruction.
"""

import collections
import dataclasses
import pickletools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

__all__ = ["CONTAINERS", "Global", "PickleReader", "Placeholder"]

_MAX_KEY_PARTS = 16  # elements of a tuple that is a key of a dict
_MAX_KEY_BITS = 64  # bits of an integer that is a key of a dict: hashing a longer one takes time
_MAKES_ITS_FIRST_ARGUMENT = frozenset(
    f"{module}.{name}" for module in ("copyreg", "copy_reg") for name in ("_reconstructor", "__newobj__")
)
_BASE_CLASSES = frozenset({"builtins.object", "__builtin__.object"})  # the second argument of `_reconstructor`


@dataclasses.dataclass(frozen=True)
class Global:
    """A class or function that a pickle names, as text: `"collections.OrderedDict"`."""

    name: str


@dataclasses.dataclass(eq=False, repr=False)
class Placeholder:
    """Stands for an object that a pickle describes and that was not built.

    Attributes:
        name: the class or function that the pickle calls.
        arguments: what the pickle calls it with.
        state: what the pickle sets the attributes of the object from, mostly a dict; None if it sets none.
        items: what the pickle appends to the object.
        entries: the items that the pickle sets in the object.
    """

    name: str
    arguments: tuple[Any, ...] = ()
    state: Any = None
    items: list[Any] = dataclasses.field(default_factory=list)
    entries: dict[Any, Any] = dataclasses.field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Placeholder({self.name!r})"  # the other fields may contain the placeholder itself


_KEY_TYPES = (type(None), str, bytes, bool, float, int, complex, Global, Placeholder)

Call = Callable[[tuple[Any, ...]], Any]
"""Gives what a call with these arguments stands for, or `NotImplemented` if it does not take such arguments."""


class PickleReader:
    """Reads pickles whose calls mean what a table says.

    `OrderedDict`, `defaultdict`, bytes, sets and the like are read as plain data without an entry in the table:
    dicts as dicts, sets as lists of their elements.

    Args:
        calls: by the name of a class or function, what a call of it gives.
        known: names that may occur as values. They and those of `calls` are not entered into `foreign`.
        persistent: gives what a persistent id stands for; without it a pickle with persistent ids is refused.

    Attributes:
        foreign: the names in the pickles read so far that are not plain data and in neither `calls` nor `known`, in
            order of appearance.
    """

    def __init__(
        self,
        calls: Mapping[str, Call] | None = None,
        *,
        known: Iterable[str] = (),
        persistent: Callable[[Any], Any] | None = None,
    ):
        self.calls = dict(calls or {})
        self.known = frozenset(known)
        self.persistent = persistent
        self.foreign: dict[str, None] = {}

    def read(self, stream: Any) -> Any:
        """The value that the pickle at the stream's position describes. The position is then behind the pickle.

        Raises:
            ValueError: the pickle is damaged, or uses an instruction that does not describe data. The message reads on
                from the name of the file.
        """
        machine = _Machine(self)
        position = 0
        try:
            for name, argument, position in _instructions(stream):
                if name == "STOP":
                    return machine.pop()
                machine.step(name, argument, position)
        except (IndexError, KeyError, UnicodeError) as error:  # an empty stack, a memo without that entry, bad text
            raise ValueError(f"has a damaged pickle (at byte {position}): {error!r}") from error
        raise ValueError("has a damaged pickle: it does not end")

    def name(self, name: str) -> Global:
        """A name as a value; it is entered into `foreign` unless it is known."""
        known = (self.calls, self.known, _PLAIN, _MAKES_ITS_FIRST_ARGUMENT, _BASE_CLASSES)
        if not any(name in names for names in known):
            self.foreign[name] = None
        return Global(name)

    def placeholder(self, name: str, arguments: tuple[Any, ...]) -> Placeholder:
        """A placeholder for a call; its name is entered into `foreign` unless it is known."""
        match arguments:
            # The protocols before 2 describe an object as a call of a function whose first argument is the class.
            case (Global(cls), *rest) if name in _MAKES_ITS_FIRST_ARGUMENT:
                name, arguments = cls, tuple(rest)
        if name not in self.known:
            self.foreign[name] = None
        return Placeholder(name, arguments)


def _instructions(stream: Any) -> Iterator[tuple[str, Any, int]]:
    """Name, argument and position of every instruction."""
    try:
        source: Any = _Source(stream)
        for opcode, argument, position in pickletools.genops(source):
            yield opcode.name, argument, position or 0
    except ValueError as error:
        raise ValueError(f"has a damaged pickle: {error}") from error


class _Source:
    """What `genops` reads from. It refuses backslashes in the quoted strings of protocol 0.

    Python warns of wrong escapes in such strings, and a warning that a file causes is noise, or an error.
    """

    def __init__(self, stream: Any):
        self._read, self.tell, self._readline = stream.read, stream.tell, stream.readline
        self._last = b""

    def read(self, size: int) -> bytes:
        """The next bytes."""
        self._last = self._read(size)
        return self._last

    def readline(self) -> bytes:
        """The next line."""
        line = self._readline()
        if b"\\" in line and self._last != b"V":  # a V line is text with \u escapes, of which Python never warns
            raise ValueError("a backslash in a quoted string or a name")
        return line


class _Machine:
    """The stack machine of the pickle format, reduced to the instructions that describe data."""

    def __init__(self, reader: PickleReader):
        self.reader = reader
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.items_copied = 0  # by calls of OrderedDict and the like

    def step(self, name: str, argument: Any, position: int) -> None:
        """Carries out one instruction, given by its name in `pickletools`."""
        if name in _PUSH_ARGUMENT:
            self.stack.append(argument)
        elif name in _PUSH_NEW:
            self.stack.append(_PUSH_NEW[name]())
        elif name in _PUT:
            self.memo[len(self.memo) if argument is None else argument] = self.top()
        elif name in _GET:
            self.stack.append(self.memo[argument])
        elif name == "REDUCE":
            arguments, function = self.pop(), self.pop()
            self.stack.append(self.call(function, arguments, position))
        elif name == "NEWOBJ":  # cls.__new__(cls, *arguments), which describes the same object as a call
            arguments, cls = self.pop(), self.pop()
            self.stack.append(self.call(cls, arguments, position))
        elif name == "NEWOBJ_EX":
            options, arguments, cls = self.pop(), self.pop(), self.pop()
            if not isinstance(cls, Global) or type(arguments) is not tuple:
                raise ValueError("has a damaged pickle: it makes an object of something that is not a class")
            self.stack.append(self.reader.placeholder(cls.name, (*arguments, options)))
        elif name in ("INST", "OBJ"):
            _call_of_marked(self, argument, position)
        elif name in _ACTIONS:
            _ACTIONS[name](self, argument)
        elif name not in ("PROTO", "FRAME"):
            raise ValueError(f"uses the pickle instruction {name}, which does not describe data; nothing in it was run")

    def top(self) -> Any:
        """The value on top of the stack."""
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            raise IndexError("the stack is empty")
        return self.stack[-1]

    def pop(self) -> Any:
        """Takes the value from the top of the stack."""
        self.top()
        return self.stack.pop()

    def pop_to_mark(self) -> list[Any]:
        """Takes all values down to the last mark."""
        start = self.marks.pop()
        values = self.stack[start:]
        del self.stack[start:]
        return values

    def extend(self, values: list[Any]) -> None:
        """Appends to the list, or to the placeholder, on top of the stack."""
        target = self.top()
        if isinstance(target, Placeholder):
            target = target.items
        if isinstance(target, set):  # of a caller that reads sets as sets
            target.update(map(_key, values))
            return
        if type(target) is not list:
            raise ValueError(f"has a damaged pickle: it appends to a {type(target).__name__}")
        target.extend(values)

    def update(self, values: list[Any]) -> None:
        """Sets items of the dict, or of the placeholder, on top of the stack, from keys and values in turn."""
        target = self.top()
        if isinstance(target, Placeholder):
            target = target.entries
        if not isinstance(target, dict) or len(values) % 2:
            raise ValueError(f"has a damaged pickle: it sets items of a {type(target).__name__}")
        target.update(_pairs(zip(values[::2], values[1::2], strict=True)))

    def build(self, state: Any) -> None:
        """Keeps the state of a placeholder. A dict loses its attributes: torch notes module versions there.

        An OrderedDict, of a caller that reads them as such, keeps them.
        """
        target = self.top()
        if isinstance(target, Placeholder):
            target.state = state
        elif type(target) is collections.OrderedDict and type(state) is dict:
            vars(target).update({name: value for name, value in state.items() if type(name) is str})
        elif type(target) is not dict or type(state) is not dict:
            raise ValueError(f"sets attributes of a {type(target).__name__}, which plain data does not have")

    def persistent(self, identifier: Any) -> Any:
        """What a persistent id stands for."""
        if self.reader.persistent is None:
            raise ValueError("refers to something outside the pickle")
        return self.reader.persistent(identifier)

    def call(self, function: Any, arguments: Any, position: int) -> Any:
        """What a call in the pickle describes."""
        if type(arguments) is not tuple or not isinstance(function, Global | Placeholder):
            raise ValueError("calls something that is not a name; nothing in it was run")
        if isinstance(function, Placeholder):
            return self.reader.placeholder(function.name.removesuffix("()") + "()", arguments)
        name = function.name
        if name in _PLAIN:
            self.items_copied += sum(len(one) for one in arguments if type(one) in (list, dict))
            if self.items_copied > position:  # otherwise one list, copied by many calls, fills the memory
                raise ValueError("has a damaged pickle: it copies more items than it holds")
        if name not in _PLAIN and name not in self.reader.calls:
            return self.reader.placeholder(name, arguments)
        value = (self.reader.calls.get(name) or _PLAIN[name])(arguments)
        if value is NotImplemented:
            raise ValueError(f"calls {name} with arguments of the wrong kind; nothing in it was run")
        return value


def _pairs(pairs: Any) -> dict[Any, Any]:
    """A dict of pairs, whose keys are cheap to hash."""
    return {_key(key): value for key, value in pairs}


def _key(key: Any) -> Any:
    """A key of a dict: a scalar, or a short tuple of scalars. A placeholder stands for any other key.

    Hashing a nested tuple can take forever or overflow the C stack, and hashing a long integer takes time.
    """
    parts = key if type(key) is tuple and len(key) <= _MAX_KEY_PARTS else (key,)
    if all(type(part) in _KEY_TYPES and not _is_long(part) for part in parts):
        return key
    if type(key) is dict:
        raise ValueError("has a damaged pickle: a dict is a key of a dict")
    return Placeholder(f"a key of type {type(key).__name__}")


def _is_long(value: Any) -> bool:
    return type(value) is int and value.bit_length() > _MAX_KEY_BITS


# Calls that describe plain data


def _dict_of(arguments: tuple[Any, ...]) -> Any:
    """A dict: empty, a copy of one, or made of a list of pairs, as Python 2 writes it."""
    match arguments:
        case ():
            return {}
        case (dict(entries),):
            return dict(entries)
        case (list(pairs),):
            if not all(type(pair) in (list, tuple) and len(pair) == 2 for pair in pairs):
                raise ValueError("has a damaged pickle: an OrderedDict is not made of pairs")
            return _pairs(pairs)
    return NotImplemented


def _default_dict(arguments: tuple[Any, ...]) -> Any:
    """A dict; the function that makes its default values is left out."""
    return {} if len(arguments) <= 1 else NotImplemented


def _elements(arguments: tuple[Any, ...]) -> Any:
    """The elements of a set, as a list."""
    match arguments:
        case ():
            return []
        case (list(values),):
            return list(values)
    return NotImplemented


def _encoded(arguments: tuple[Any, ...]) -> Any:
    """Bytes as Python 3 writes them in the protocols before 3: (text, "latin1")."""
    match arguments:
        case (str(text), "latin1" | "latin-1"):
            return text.encode("latin1")
    return NotImplemented


def _bytes(arguments: tuple[Any, ...]) -> Any:
    """Bytes: empty, given, or as `bytearray` writes them in the protocols before 3: (text, "latin-1")."""
    match arguments:
        case ():
            return b""
        case (bytes(content),):
            return content
    return _encoded(arguments)


def _complex(arguments: tuple[Any, ...]) -> Any:
    match arguments:
        case (int() | float() as real, int() | float() as imaginary):
            return complex(float(real), float(imaginary))
    return NotImplemented


_PLAIN: dict[str, Call] = {
    "collections.OrderedDict": _dict_of, "collections.Counter": _dict_of, "collections.defaultdict": _default_dict,
    "_codecs.encode": _encoded,
    **{
        f"{module}.{name}": call for module in ("builtins", "__builtin__")
        for name, call in {
            "set": _elements, "frozenset": _elements, "bytearray": _bytes, "bytes": _bytes, "complex": _complex,
            "dict": _dict_of, "list": _elements,
        }.items()
    },
}  # fmt: skip


def _ordered_dict(arguments: tuple[Any, ...]) -> Any:
    found = _dict_of(arguments)
    return found if found is NotImplemented else collections.OrderedDict(found)


def _counter(arguments: tuple[Any, ...]) -> Any:
    found = _dict_of(arguments)
    if found is NotImplemented or not all(type(count) is int for count in found.values()):
        return NotImplemented
    return collections.Counter(found)


def _set(arguments: tuple[Any, ...]) -> Any:
    found = _elements(arguments)
    return found if found is NotImplemented else set(map(_key, found))


def _byte_array(arguments: tuple[Any, ...]) -> Any:
    found = _bytes(arguments)
    return found if found is NotImplemented else bytearray(found)


CONTAINERS: dict[str, Call] = {
    "collections.OrderedDict": _ordered_dict, "collections.Counter": _counter,
    **{
        f"{module}.{name}": call for module in ("builtins", "__builtin__")
        for name, call in {"set": _set, "bytearray": _byte_array}.items()
    },
}  # fmt: skip
"""Calls for a reader that keeps the types of containers: each becomes what it was when it was saved."""


# Instructions


def _named(machine: _Machine, argument: str) -> None:
    machine.stack.append(machine.reader.name(argument.replace(" ", ".", 1)))


def _named_on_stack(machine: _Machine, _: None) -> None:
    name, module = machine.pop(), machine.pop()
    machine.stack.append(machine.reader.name(f"{module}.{name}" if type(module) is type(name) is str else "?"))


def _tuple_of(count: int) -> Callable[[_Machine, Any], None]:
    def action(machine: _Machine, _: Any) -> None:
        machine.stack.append(tuple([machine.pop() for _ in range(count)][::-1]))

    return action


def _set_item(machine: _Machine, _: Any) -> None:
    value, key = machine.pop(), machine.pop()
    machine.update([key, value])


def _new_dict(machine: _Machine, _: Any) -> None:
    values = machine.pop_to_mark()
    machine.stack.append({})
    machine.update(values)


def _drop(machine: _Machine, _: Any) -> None:
    """Takes away a value, or a mark that is on top. Python writes this for tuples that contain themselves."""
    if machine.marks and machine.marks[-1] == len(machine.stack):
        machine.marks.pop()
    else:
        machine.pop()


def _call_of_marked(machine: _Machine, argument: str | None, position: int) -> None:
    """Calls with the values above the mark; Python 2 writes this for objects of old-style classes."""
    values = machine.pop_to_mark()
    if argument is None:  # OBJ: the class is the first of the values
        function = values.pop(0)
    else:  # INST: module and name are in the instruction
        function = machine.reader.name(argument.replace(" ", ".", 1))
    machine.stack.append(machine.call(function, tuple(values), position))


_PUSH_ARGUMENT = frozenset({
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT",
    "STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8",
    "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8",
})  # fmt: skip
_PUSH_NEW: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None, "NEWTRUE": lambda: True, "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple, "EMPTY_LIST": list, "EMPTY_DICT": dict, "EMPTY_SET": list,
}  # fmt: skip
_PUT = frozenset({"PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"})
_GET = frozenset({"GET", "BINGET", "LONG_BINGET"})
_ACTIONS: dict[str, Callable[[_Machine, Any], object]] = {
    "MARK": lambda machine, _: machine.marks.append(len(machine.stack)),
    "TUPLE": lambda machine, _: machine.stack.append(tuple(machine.pop_to_mark())),
    "TUPLE1": _tuple_of(1), "TUPLE2": _tuple_of(2), "TUPLE3": _tuple_of(3),
    "LIST": lambda machine, _: machine.stack.append(machine.pop_to_mark()),
    "FROZENSET": lambda machine, _: machine.stack.append(machine.pop_to_mark()),
    "DICT": _new_dict,
    "APPEND": lambda machine, _: machine.extend([machine.pop()]),
    "APPENDS": lambda machine, _: machine.extend(machine.pop_to_mark()),
    "ADDITEMS": lambda machine, _: machine.extend(machine.pop_to_mark()),
    "SETITEM": _set_item,
    "SETITEMS": lambda machine, _: machine.update(machine.pop_to_mark()),
    "GLOBAL": _named,
    "STACK_GLOBAL": _named_on_stack,
    "POP": _drop,
    "POP_MARK": lambda machine, _: machine.pop_to_mark(),
    "BINPERSID": lambda machine, _: machine.stack.append(machine.persistent(machine.pop())),
    "BUILD": lambda machine, _: machine.build(machine.pop()),
}  # fmt: skip
