"""Training, export and evaluation of the models that the GStreamer element ``dloralvsr`` runs."""

__version__ = "0.1.0"
