"""What `without_transpositions` makes of a network computes the same."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import openvino
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openvino import Output
from openvino import opset13 as ops

from service.encoder.layout import without_transpositions

LAST, FIRST = [0, 2, 3, 1], [0, 3, 1, 2]  # how Keras turns images, from channels first and back
RANDOM = np.random.default_rng(3)


def constant(*shape: int) -> Output:
    return ops.constant(RANDOM.normal(size=shape).astype(np.float32)).output(0)


def turned(value: Output, order: list[int]) -> Output:
    return ops.transpose(value, np.array(order, np.int64)).output(0)


def normalised(value: Output, channels: int) -> Output:
    scale, shift, mean, variance = (constant(channels) for _ in range(4))
    positive = ops.abs(variance).output(0)
    return ops.batch_norm_inference(value, scale, shift, mean, positive, 1e-3).output(0)


def convolved(value: Output, channels: int) -> Output:
    kernel = constant(4, channels, 3, 3)
    return ops.convolution(value, kernel, [1, 1], [1, 1], [1, 1], [1, 1]).output(0)


def answers(network: openvino.Model, pixels: np.ndarray) -> list[np.ndarray]:
    """As the CPU computes it, with all that it makes of a network."""
    exactly = {
        openvino.properties.hint.inference_precision: openvino.Type.f32,
        openvino.properties.hint.enable_cpu_pinning: False,  # other tests look at this process's threads
    }
    request = openvino.Core().compile_model(network, "CPU", exactly).create_infer_request()
    request.infer([pixels])
    return [request.get_output_tensor(i).data.copy() for i in range(len(network.outputs))]


def evaluated(network: openvino.Model, pixels: np.ndarray) -> list[np.ndarray]:
    """Node by node, as each is defined; convolutions and batch normalisations are not."""
    found = [openvino.Tensor(openvino.Type.f32, openvino.Shape([])) for _ in network.outputs]
    assert network.evaluate(found, [openvino.Tensor(pixels)])
    return [one.data.copy() for one in found]


def kinds(network: openvino.Model) -> list[str]:
    return [node.get_type_name() for node in network.get_ordered_ops()]


def check(
    results: list[Output],
    image: openvino.Node,
    answers: Callable[[openvino.Model, np.ndarray], list[np.ndarray]] = answers,
) -> openvino.Model:
    network = openvino.Model([ops.result(one) for one in results], [image], "drawn")
    pixels = RANDOM.normal(size=image.get_output_shape(0)).astype(np.float32)
    before, shapes = answers(network, pixels), [one.get_partial_shape() for one in network.outputs]
    without_transpositions(network)
    assert [one.get_partial_shape() for one in network.outputs] == shapes
    for one, other in zip(before, answers(network, pixels), strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-4, atol=1e-4)
    return network


def block(value: Output, channels: int) -> Output:
    """As Keras's backend writes a convolution, a batch normalisation, and what follows."""
    value = turned(convolved(turned(value, FIRST), channels), LAST)
    value = turned(normalised(turned(value, [0, 3, 2, 1]), 4), [0, 3, 2, 1])
    return ops.clamp(value, 0.0, 6.0).output(0)


def test_one_is_left_where_pixels_come_in() -> None:
    image = ops.parameter([1, 6, 7, 3], np.float32)
    scaled = ops.add(ops.multiply(image, constant(3)), constant(1)).output(0)
    first = block(scaled, 3)
    padded = ops.pad(first, [0, 1, 0, 0], [0, 0, 2, 0], "constant", np.float32(0)).output(0)
    both = ops.concat([ops.add(block(padded, 4), padded).output(0), padded], -1).output(0)
    again = ops.add(block(both, 8), constant(4)).output(0)
    network = check([ops.reduce_mean(again, np.array([1, 2]), False).output(0)], image)
    assert kinds(network).count("Transpose") == 1


def test_a_result_keeps_its_order() -> None:
    image = ops.parameter([1, 3, 6, 7], np.float32)
    value = ops.relu(turned(image.output(0), LAST)).output(0)
    check([value, turned(value, FIRST), turned(value, [2, 0, 1, 3])], image)


def test_what_is_not_known_gets_what_it_was_written_for() -> None:
    image = ops.parameter([1, 3, 6, 7], np.float32)
    value = turned(image.output(0), LAST)
    flat = ops.reshape(value, np.array([1, -1]), False).output(0)
    check([ops.matmul(value, constant(3, 2), False, False).output(0), flat], image)


@pytest.mark.parametrize("keep", [True, False])
def test_a_mean_over_any_axes(keep: bool) -> None:
    image = ops.parameter([2, 3, 4, 5], np.float32)
    value = turned(image.output(0), [3, 1, 0, 2])
    means = [ops.reduce_mean(value, np.array(axes), keep) for axes in ([0], [1, 3], [-1, 0, 2])]
    check([ops.relu(mean).output(0) for mean in means], image)


@pytest.mark.parametrize("order", [[0, 1, 3, 2], [2, 1, 0, 3], [0, 2, 3, 1]])
def test_a_normalisation_of_what_was_turned(order: list[int]) -> None:
    image = ops.parameter([2, 3, 4, 5], np.float32)
    value = turned(image.output(0), order)
    check([normalised(value, value.get_shape()[1])], image)


@st.composite
def drawn(draw: st.DrawFn) -> tuple[openvino.Node, list[Output]]:
    """A network of anything that may follow anything, transposed at random."""
    image = ops.parameter(draw(st.permutations([1, 2, 3, 4])), np.float32)
    values = [image.output(0)]
    for _ in range(draw(st.integers(1, 12))):
        value = draw(st.sampled_from(values))
        shape = list(value.get_shape())
        axes = range(len(shape))
        made = [ops.relu(value), ops.multiply(value, constant(1)), ops.sigmoid(value)]
        made += [ops.transpose(value, np.array(draw(st.permutations(axes)), np.int64))] * 4
        made += [
            ops.add(value, constant(*shape[draw(st.sampled_from(axes)) :])),
            ops.subtract(constant(*shape), value),
        ]
        made += [ops.maximum(value, other) for other in values if list(other.get_shape()) == shape]
        axis, keep = draw(st.sampled_from(axes)), draw(st.booleans())
        made.append(
            ops.concat([value, draw(st.sampled_from([value, ops.abs(value).output(0)]))], axis)
        )
        if len(shape) == 4:
            widths = [draw(st.lists(st.integers(0, 2), min_size=4, max_size=4)) for _ in "be"]
            made.append(ops.pad(value, *widths, "constant", np.float32(1)))
            made.append(ops.reduce_max(value, np.array([axis]), keep))
            made.append(ops.matmul(value, constant(shape[-1], 2), False, False))
        values.append(draw(st.sampled_from(made)).output(0))
    return image, values[-3:]


@settings(max_examples=300, deadline=None)
@given(drawn())
def test_any_network_computes_the_same(network: tuple[openvino.Node, list[Output]]) -> None:
    image, results = network
    check(results, image, evaluated)  # the CPU's own optimiser gives some of them other shapes
