"""Training, export and evaluation of the models that the GStreamer element ``dloralvsr`` runs."""

import os

# ONNX Runtime reports its use to its maker unless it finds this set when it is loaded.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__version__ = "0.2.0"
