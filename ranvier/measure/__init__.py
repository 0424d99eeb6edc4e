"""Measures: size, operations, energy and activity of a network, and the results that a report shows."""

from ranvier.measure.activity import activation_sparsity, activity, interval_cv
from ranvier.measure.collect import About, Answers, collect
from ranvier.measure.complexity import lempel_ziv, normalised_lempel_ziv
from ranvier.measure.constants import HOROWITZ_45NM, Constants
from ranvier.measure.continual import Continual
from ranvier.measure.dense import dense_operations
from ranvier.measure.detection import Boxes, average_precision, box_iou, mean_average_precision, suppress
from ranvier.measure.energy import Estimate, energy
from ranvier.measure.neurobench import neurobench
from ranvier.measure.operations import LayerOperations, Operations, operations
from ranvier.measure.parameters import connection_sparsity, footprint, parameters
from ranvier.measure.retrieval import (
    VLAD,
    Curve,
    area_under,
    precision_recall,
    recall_at,
    recall_at_full_precision,
    sad_scores,
    within,
)
from ranvier.measure.roc import r_squared, roc_auc
from ranvier.measure.saved import SavedBytes, saved_bytes
from ranvier.measure.segmentation import class_iou, confusion, mean_iou

__all__ = [
    "HOROWITZ_45NM",
    "VLAD",
    "About",
    "Answers",
    "Boxes",
    "Constants",
    "Continual",
    "Curve",
    "Estimate",
    "LayerOperations",
    "Operations",
    "SavedBytes",
    "activation_sparsity",
    "activity",
    "area_under",
    "average_precision",
    "box_iou",
    "class_iou",
    "collect",
    "confusion",
    "connection_sparsity",
    "dense_operations",
    "energy",
    "footprint",
    "interval_cv",
    "lempel_ziv",
    "mean_average_precision",
    "mean_iou",
    "neurobench",
    "normalised_lempel_ziv",
    "operations",
    "parameters",
    "precision_recall",
    "r_squared",
    "recall_at",
    "recall_at_full_precision",
    "roc_auc",
    "sad_scores",
    "saved_bytes",
    "suppress",
    "within",
]
