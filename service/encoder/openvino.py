"""The OpenVINO runtime on the CPU: photos side by side, or one with all threads; bf16 where it has it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
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
        network = core.read_model(int8_network(xml) if self.precision == "int8" else xml)
        network = _uint8_input(network, self.card.input_size)

        def compiled(mode: ov.hint.PerformanceMode) -> _Compiled:
            options = {
                ov.hint.performance_mode: mode,
                ov.hint.inference_precision: native if precision == "int8" else self.precision,
                # Else every process binds its threads to the same processors, and shares them
                ov.hint.enable_cpu_pinning: False,
                ov.cache_dir: str(xml.parent),
            }
            if threads is not None:
                options[ov.inference_num_threads] = threads
            return _Compiled(core.compile_model(network, "CPU", options))

        self._many = compiled(ov.hint.PerformanceMode.THROUGHPUT)  # a thread for each photo
        optimal: int = self._many.network.get_property(ov.optimal_number_of_infer_requests)
        self.requests = optimal + 1  # one waits its turn, so that no core ever idles
        # All threads for one photo, as long as it is the only one
        self._single = compiled(ov.hint.PerformanceMode.LATENCY) if optimal > 1 else self._many
        self._inside = 0
        self._lock = threading.Lock()
        blank = np.zeros((self.card.input_size, self.card.input_size, 3), np.uint8)
        with ThreadPoolExecutor(self.requests) as pool:
            list(pool.map(self.forward, [blank] * (self.requests + 1)))

    @property
    def description(self) -> str:
        return f"openvino {self.precision}, {self.requests} requests in parallel"

    def predict(self, pixels: np.ndarray) -> Prediction:
        """pixels: (side, side, 3) uint8. Thread-safe: callers beyond `requests` wait, first come first
        served."""
        return predictions(*self.forward(pixels), self.card, self._detector)[0]

    def forward(self, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """As `Encoder.forward`."""
        with self._lock:
            self._inside += 1
            compiled = self._single if self._inside == 1 else self._many
        try:
            return compiled.forward(pixels)
        finally:
            with self._lock:
                self._inside -= 1


class _Compiled:
    """A network as OpenVINO runs it, with a request of each calling thread's own.

    OpenVINO queues requests in the order in which they come; whoever waits for a lock of Python's may be
    overtaken any number of times.
    """

    def __init__(self, network: openvino.CompiledModel) -> None:
        self.network = network
        self._own = threading.local()

    def forward(self, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if not hasattr(self._own, "request"):
            self._own.request = self.network.create_infer_request()
        request: openvino.InferRequest = self._own.request
        request.infer([np.ascontiguousarray(pixels[None])], share_inputs=True)
        features, logits = (request.get_output_tensor(i).data.copy() for i in (0, 1))
        return features, logits


def _uint8_input(network: openvino.Model, side: int) -> openvino.Model:
    network.reshape([1, side, side, 3])
    steps = PrePostProcessor(network)
    steps.input().tensor().set_element_type(openvino.Type.u8)
    steps.input().preprocess().convert_element_type(openvino.Type.f32)
    return steps.build()
