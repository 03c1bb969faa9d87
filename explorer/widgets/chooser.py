"""Device, precision and threads, chosen in the toolbar and in force from the next frame on."""

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QStyle, QStyleOptionComboBox, QWidget

from explorer.engine.devices import Device, default_threads, gpu_memory, processors
from explorer.i18n import tr, tr_n
from explorer.panel import Precision
from explorer.settings.session import Settings

AUTO = "auto"


class ElidingComboBox(QComboBox):
    """Where there is no room for the whole word, its end becomes an ellipsis: a long name of a GPU in a narrow window."""

    def initStyleOption(self, option: QStyleOptionComboBox) -> None:
        super().initStyleOption(option)
        field = self.style().subControlRect(
            QStyle.ComplexControl.CC_ComboBox, option, QStyle.SubControl.SC_ComboBoxEditField, self
        )
        # The ink, as in sizeHint(): a wide bracket at the end has much white behind it.
        if self.fontMetrics().boundingRect(option.currentText).width() > field.width():
            option.currentText = self.fontMetrics().elidedText(
                option.currentText, Qt.TextElideMode.ElideRight, field.width()
            )


class ComputeChooser(QWidget):
    """Three lists to choose from.

    Signals:
        changed(): something else is chosen now; ask :meth:`chosen`.
    """

    changed = Signal()

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._devices: tuple[Device, ...] = ()
        self._wish = settings.device
        self._wanted_precision: Precision = settings.precision
        self._device, self._precision, self._threads = ElidingComboBox(), ElidingComboBox(), ElidingComboBox()
        for name, combo in (("device", self._device), ("precision", self._precision), ("threads", self._threads)):
            combo.setObjectName(name)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for combo in (self._device, self._precision, self._threads):
            combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
            layout.addWidget(combo)
        for number in (0, *range(1, processors() + 1)):
            self._threads.addItem("", number)
        self._threads.setCurrentIndex(min(settings.threads, processors()))
        self._device.currentIndexChanged.connect(self._device_chosen)
        self._precision.currentIndexChanged.connect(self._precision_chosen)
        self._threads.currentIndexChanged.connect(lambda _: self.changed.emit())
        self.retranslate()

    def set_devices(self, devices: tuple[Device, ...]) -> None:
        """What was found on this machine, the best first."""
        self._devices = devices
        if self._wish != AUTO and self._wish not in {device.name for device in devices}:
            self._wish = AUTO
        self.retranslate()

    def chosen(self) -> tuple[str, Precision, int]:
        """Device, precision and threads, none of them ``auto``."""
        return self._found().name, self._precision.currentData() or "float32", self._thread_count()

    def wishes(self) -> tuple[str, Precision, int]:
        """The same as the user chose them, to be remembered."""
        return self._wish, self._wanted_precision, int(self._threads.currentData())

    def memory(self) -> str:
        """The GPU's memory in words, or nothing where there is no GPU."""
        used = gpu_memory(self._found().name) if self._devices else None
        if used is None:
            return ""
        return tr("GPU memory {used:.1f} of {all:.1f} GB", used=used[0] / 2**30, all=used[1] / 2**30)

    def next_device(self) -> None:
        self._device.setCurrentIndex((self._device.currentIndex() + 1) % max(1, self._device.count()))

    def next_precision(self) -> None:
        self._precision.setCurrentIndex((self._precision.currentIndex() + 1) % max(1, self._precision.count()))

    def fewer_threads(self) -> None:
        self._threads.setCurrentIndex(self._threads.findData(max(1, self._thread_count() - 1)))

    def more_threads(self) -> None:
        self._threads.setCurrentIndex(self._threads.findData(min(processors(), self._thread_count() + 1)))

    def retranslate(self) -> None:
        self._device.setToolTip(tr("Device that computes"))
        self._precision.setToolTip(tr("Precision of the numbers: half as many bits can be faster and is less exact"))
        self._threads.setToolTip(tr("Processor threads that compute"))
        for combo in (self._device, self._precision, self._threads):
            combo.setAccessibleName(combo.toolTip())
        for i in range(self._threads.count()):
            number = self._threads.itemData(i)
            self._threads.setItemText(i, thread_words(number) if number else auto_threads_words(default_threads()))
        with QSignalBlocker(self._device):
            self._device.clear()
            best = f" ({self._devices[0].title})" if self._devices else ""
            self._device.addItem(tr("Auto") + best, AUTO)
            for device in self._devices:
                self._device.addItem(device.title, device.name)
            self._device.setCurrentIndex(max(0, self._device.findData(self._wish)))
        self._fill_precisions()

    def _found(self) -> Device:
        for device in self._devices:
            if self._wish in (AUTO, device.name):
                return device
        return Device("cpu", "CPU", ("float32", "bfloat16"))

    def _thread_count(self) -> int:
        return int(self._threads.currentData()) or default_threads()

    def _fill_precisions(self) -> None:
        with QSignalBlocker(self._precision):
            self._precision.clear()
            for precision in self._found().precisions:
                self._precision.addItem(precision, precision)
            self._precision.setCurrentIndex(max(0, self._precision.findData(self._wanted_precision)))

    def _device_chosen(self, index: int) -> None:
        self._wish = self._device.itemData(index)
        self._fill_precisions()
        self.changed.emit()

    def _precision_chosen(self, index: int) -> None:
        self._wanted_precision = self._precision.itemData(index)
        self.changed.emit()


def thread_words(count: int) -> str:
    return tr_n("{n} thread", "{n} threads", count)


def auto_threads_words(count: int) -> str:
    return tr_n("Auto ({n} thread)", "Auto ({n} threads)", count)
