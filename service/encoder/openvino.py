"""The OpenVINO runtime on the CPU: photos side by side, or one with all threads; bf16 where it has it."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import openvino
from openvino import properties as ov
from openvino.preprocess import PrePostProcessor

from service.domain import Prediction
from service.encoder.bundle import Card, read_calibrated
from service.encoder.convert import converted, int8_network
from service.encoder.prediction import predictions
from service.errors import BundleInvalid
from service.processors import available, processors


class OpenVinoEncoder:
    """Runs a bundle with OpenVINO. Make it after a fork, never before: its threads do not survive one.

    precision: `bf16`, `f32`, or `int8` where `quantize` made such a network; by default
    what the card says, or else the faster of the first two that the CPU computes natively, which is also
    that of int8's unquantised layers.
    threads: of the processor that it computes on; by default as many as the process may use.
    Raises `BundleInvalid`, also where the converted network is damaged, and `HomeNotWritable`.
    """

    def __init__(
        self,
        folder: Path,
        cache: Path,
        *,
        precision: str | None = None,
        threads: int | None = None,
    ) -> None:
        self.card: Card
        self.card, self._detector = read_calibrated(folder)
        core = openvino.Core()
        capabilities = core.get_property("CPU", ov.device.capabilities)
        native = "bf16" if "BF16" in capabilities else "f32"
        self.precision = precision or self.card.precision or native
        xml = converted(folder, self.card, cache)
        if self.precision == "int8":
            xml = int8_network(xml)
        network = _uint8_input(_read(core, xml), self.card.input_size)
        if threads is None and processors() < available():
            threads = processors()  # OpenVINO knows of the affinity alone

        def compiled(mode: ov.hint.PerformanceMode) -> _Compiled:
            options = {
                ov.hint.performance_mode: mode,
                ov.hint.inference_precision: native if precision == "int8" else self.precision,
                # Else every process binds its threads to the same processors, and shares them
                ov.hint.enable_cpu_pinning: False,
            }
            if threads is not None:
                options[ov.inference_num_threads] = threads
            return _Compiled(core.compile_model(network, "CPU", options))

        self._many = compiled(ov.hint.PerformanceMode.THROUGHPUT)  # a thread for each photo
        self.requests = self._many.optimal + 1  # one waits its turn, so that no core ever idles
        # All threads for one photo, as long as it is the only one
        self._single = (
            compiled(ov.hint.PerformanceMode.LATENCY) if self._many.optimal > 1 else self._many
        )
        self._inside = 0
        self._lock = threading.Lock()
        blank = np.zeros((self.card.input_size, self.card.input_size, 3), np.uint8)
        self._single.warm_up(blank, 1)
        self._many.warm_up(blank, self.requests)

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
        self._network = network
        self._own = threading.local()

    @property
    def optimal(self) -> int:
        """How many photos it computes side by side."""
        count: int = self._network.get_property(ov.optimal_number_of_infer_requests)
        return count

    def warm_up(self, pixels: np.ndarray, count: int) -> None:
        """So many photos at once, from this thread alone: where two of Python's are the first to call
        OpenVINO, each with a lock that the other waits for, both wait for ever (2026.4)."""
        requests = [self._network.create_infer_request() for _ in range(count)]
        for request in requests:
            request.start_async([pixels[None]])
        for request in requests:
            request.wait()

    def forward(self, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if not hasattr(self._own, "request"):
            self._own.request = self._network.create_infer_request()
        request: openvino.InferRequest = self._own.request
        request.infer([np.ascontiguousarray(pixels[None])], share_inputs=True)
        features, logits = (request.get_output_tensor(i).data.copy() for i in (0, 1))
        return features, logits


def _read(core: openvino.Core, xml: Path) -> openvino.Model:
    try:
        return core.read_model(xml)
    except RuntimeError:
        raise BundleInvalid(
            f"The converted network {xml} is damaged. Delete {xml.parent}: the bundle is converted anew, "
            "and where int8 is served, `fashion-studio quantize` makes that again."
        ) from None


def _uint8_input(network: openvino.Model, side: int) -> openvino.Model:
    network.reshape([1, side, side, 3])
    steps = PrePostProcessor(network)
    steps.input().tensor().set_element_type(openvino.Type.u8)
    steps.input().preprocess().convert_element_type(openvino.Type.f32)
    return steps.build()
