"""An inspection without a child: flow files of these tests declare their flows in comments."""

import hashlib
import threading
from pathlib import Path

from tidemill.domain.manifests import FileManifest, FlowManifest, Problem, SourceFile
from tidemill.domain.runs import InspectionOrder


class FakeInspection:
    """Understands ``# flow NAME``, ``# import MODULE``, ``# broken`` and ``# hang``, one a line."""

    def __init__(self) -> None:
        self.orders: list[InspectionOrder] = []
        self.release = threading.Event()
        self.failure: Exception | None = None

    def __call__(self, order: InspectionOrder) -> FileManifest:
        self.orders.append(order)
        if self.failure is not None:
            raise self.failure
        text = Path(order.source or order.path).read_text()
        if "# hang" in text and not self.release.wait(20):
            return FileManifest(order.path, "", errors=(Problem("it did not finish loading"),))
        flows: list[FlowManifest] = []
        imports: list[SourceFile] = []
        for number, line in enumerate(text.splitlines(), start=1):
            match line.split():
                case ["#", "flow", name]:
                    flows.append(FlowManifest(name, "function", line=number))
                case ["#", "broken"]:
                    return FileManifest(order.path, "", errors=(Problem("it is broken", number),))
                case ["#", "import", module]:
                    path = Path(order.root) / f"{module}.py"
                    if not path.exists() or "# broken" in path.read_text():
                        return FileManifest(order.path, "", errors=(Problem(f"no module {module}", number),))
                    imports.append(SourceFile(str(path), hashlib.sha256(path.read_bytes()).hexdigest()))
        return FileManifest(order.path, "", tuple(flows), tuple(imports))

    def inspected(self, path: Path) -> int:
        """Count the inspections of one file."""
        return sum(order.path == str(path) for order in self.orders)
