"""A network that Keras converted, without the transpositions around every layer.

Keras keeps channels last and OpenVINO wants them first, so its backend transposes before and after each
convolution and batch normalisation: half of the time of a small network. OpenVINO removes such pairs only
where nothing stands between them. Here a transposition is put off as long as what follows can work on the
other order of axes, until it meets its opposite.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import openvino
from openvino import Node, Output
from openvino import opset13 as ops
from openvino.op import Constant
from openvino.passes import ConstantFolding, Manager

UNARY = {
    "Clamp",
    "Convert",
    "Elu",
    "Gelu",
    "HSigmoid",
    "HSwish",
    "Relu",
    "Sigmoid",
    "Swish",
    "Tanh",
}
ALIKE = {"Add", "Concat", "Divide", "Maximum", "Minimum", "Multiply", "Subtract"}  # want one order
REDUCE = {"ReduceMax", "ReduceMean", "ReduceSum"}

Order = tuple[int, ...]
Put = tuple[Output, Order]
"""What a value is: an output, and the transposition of it that was put off; axis i is its axis order[i]."""


def without_transpositions(network: openvino.Model) -> None:
    """Rewrites `network` in place; what it computes stays, up to the rounding of float32."""
    folding = Manager()
    folding.register_pass(ConstantFolding())
    folding.run_passes(network)
    late = _Late()
    for node in network.get_ordered_ops():
        late.visit(node)
    folding.run_passes(network)


class _Late:
    """Puts transpositions off, node by node in the order in which they are computed."""

    def __init__(self) -> None:
        self._put: dict[Output, Put] = {}
        self._made: dict[Put, Output] = {}

    def visit(self, node: Node) -> None:
        given = [self._put.get(value) or _as_it_is(value) for value in node.input_values()]
        kind = node.get_type_name()
        if kind == "Transpose" and (turn := _constant(given[1][0])) is not None and given[0][1]:
            value, order = given[0]
            self._put[node.output(0)] = value, tuple(order[axis] for axis in turn)
            return
        order = next((o for _, o in given if o != _unturned(len(o))), ())
        after = self._after(node, kind, order, given) if order else None
        if after is None:
            node.set_arguments([self._ordered(*one) for one in given])
        else:
            self._put[node.output(0)] = node.output(0), after
        node.validate_and_infer_types()

    def _after(self, node: Node, kind: str, order: Order, given: Sequence[Put]) -> Order | None:
        """Lets `node` work on what was not transposed; the order of its result, None where it cannot."""
        values = [value for value, _ in given]
        if kind in ALIKE and all(_fits(one, len(order)) for one in given):
            if kind == "Concat":
                node.set_attribute("axis", order[node.get_attributes()["axis"]])
            node.set_arguments([self._ordered(*one, order) for one in given])
            return order
        if given[0][1] != order:
            return None
        if kind in UNARY or (kind == "BatchNormInference" and order[1] == 1):
            node.set_arguments(values)
            return order
        if kind == "Pad":
            begin, end, back = _constant(values[1]), _constant(values[2]), np.argsort(order)
            if begin is None or end is None:
                return None
            node.set_arguments([values[0], _numbers(begin[back]), _numbers(end[back]), *values[3:]])
            return order
        if kind in REDUCE and (axes := _constant(values[1])) is not None:
            reduced = {order[axis] for axis in np.atleast_1d(axes)}
            node.set_arguments([values[0], _numbers(sorted(reduced))])
            if node.get_attributes()["keep_dims"]:
                return order
            left = [axis for axis in order if axis not in reduced]
            return tuple(sorted(left).index(axis) for axis in left)
        return None

    def _ordered(self, value: Output, order: Order, wanted: Order | None = None) -> Output:
        """`value` transposed so that putting `wanted` off leaves what putting `order` off of it does.

        A constant of fewer axes gets the ones that broadcasting would give it.
        """
        wanted = wanted or _unturned(len(order))
        if len(order) < len(wanted) and (numbers := _constant(value)) is not None:
            ones = (1,) * (len(wanted) - numbers.ndim)
            value = ops.constant(numbers.reshape(ones + numbers.shape)).output(0)
            order = _unturned(len(wanted))
        turn = tuple(order[wanted.index(axis)] for axis in range(len(wanted)))
        if turn == _unturned(len(turn)):
            return value
        if (value, turn) not in self._made:
            self._made[value, turn] = ops.transpose(value, _numbers(turn)).output(0)
        return self._made[value, turn]


def _unturned(axes: int) -> Order:
    return tuple(range(axes))


def _as_it_is(value: Output) -> Put:
    rank = value.get_partial_shape().rank
    return value, _unturned(rank.get_length()) if rank.is_static else ()


def _fits(one: Put, axes: int) -> bool:
    """Whether it can be turned to the order of an operand of so many axes."""
    return len(one[1]) == axes or _constant(one[0]) is not None


def _constant(value: Output) -> np.ndarray | None:
    node = value.get_node()
    return node.data if isinstance(node, Constant) else None


def _numbers(values: Iterable[int]) -> Output:
    return ops.constant(list(values), np.int64).output(0)
