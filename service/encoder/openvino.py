"""The OpenVINO runtime: parallel infer requests on the CPU, bf16 where it has it."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import openvino
from openvino import properties as ov
from openvino.preprocess import PrePostProcessor

from service.domain import Prediction
from service.encoder.bundle import Card, read_card
from service.encoder.calibration import read_detector
from service.encoder.convert import converted, int8_network
from service.encoder.prediction import predictions


class OpenVinoEncoder:
    """Runs a bundle with OpenVINO. Make it after a fork, never before: its threads do not survive one.

    precision: `bf16`, `f32`, or `int8` where `quantize` made such a network; by default
    what the card says, or else the faster of the first two that the CPU computes natively, which is also
    that of int8's unquantised layers.
    threads: of the processor that it computes on; by default all.
    """

    def __init__(
        self,
        folder: Path,
        cache: Path,
        *,
        precision: str | None = None,
        threads: int | None = None,
    ) -> None:
        self.card: Card = read_card(folder)
        self._detector = read_detector(folder, self.card.calibration)
        core = openvino.Core()
        capabilities = core.get_property("CPU", ov.device.capabilities)
        native = "bf16" if "BF16" in capabilities else "f32"
        self.precision = precision or self.card.precision or native
        xml = converted(folder, self.card, cache)
        if self.precision == "int8":
            xml = int8_network(xml)
        self._network = core.compile_model(
            _uint8_input(core.read_model(xml), self.card.input_size),
            "CPU",
            {
                ov.hint.performance_mode: ov.hint.PerformanceMode.THROUGHPUT,
                ov.hint.inference_precision: native if precision == "int8" else self.precision,
                # Else every process binds its threads to the same processors, and shares them
                ov.hint.enable_cpu_pinning: False,
                ov.cache_dir: str(xml.parent),
            }
            | ({ov.inference_num_threads: threads} if threads is not None else {}),
        )
        optimal: int = self._network.get_property(ov.optimal_number_of_infer_requests)
        self.requests = optimal + 1  # one waits its turn, so that no core ever idles
        self._own = threading.local()
        blank = np.zeros((1, self.card.input_size, self.card.input_size, 3), np.uint8)
        warming = [self._network.create_infer_request() for _ in range(self.requests)]
        for request in warming:
            request.start_async([blank])
        for request in warming:
            request.wait()

    @property
    def description(self) -> str:
        return f"openvino {self.precision}, {self.requests} requests in parallel"

    def predict(self, pixels: np.ndarray) -> Prediction:
        """pixels: (side, side, 3) uint8. Thread-safe: callers beyond `requests` wait, first come first
        served."""
        return predictions(*self.forward(pixels), self.card, self._detector)[0]

    def forward(self, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """As `Encoder.forward`."""
        request = self._request()
        request.infer([np.ascontiguousarray(pixels[None])], share_inputs=True)
        features, logits = (request.get_output_tensor(i).data.copy() for i in (0, 1))
        return features, logits

    def _request(self) -> openvino.InferRequest:
        """The calling thread's own. OpenVINO queues them in the order in which they come; whoever waits
        for a lock of Python's may be overtaken any number of times."""
        if not hasattr(self._own, "request"):
            self._own.request = self._network.create_infer_request()
        request: openvino.InferRequest = self._own.request
        return request


def _uint8_input(network: openvino.Model, side: int) -> openvino.Model:
    network.reshape([1, side, side, 3])
    steps = PrePostProcessor(network)
    steps.input().tensor().set_element_type(openvino.Type.u8)
    steps.input().preprocess().convert_element_type(openvino.Type.f32)
    return steps.build()
