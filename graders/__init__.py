"""rft-graders: graders for reinforcement fine-tuning. Plugin authors import only this package."""

from graders.bound_grader import Grader
from graders.context import Context, Embedder, HttpClient, HttpReply, Judge, Sandbox, Verdict
from graders.contract import CausedBy, Failure, FailureKind, FailureType, GraderInfo, GraderResult, Item
from graders.errors import (
    ConfigurationError,
    FormulaError,
    GraderError,
    GradingError,
    InvalidOptions,
    PluginError,
    Problem,
    TemplateError,
    UnknownGraderType,
)
from graders.formula import Formula
from graders.grader_type import GraderType, Score
from graders.pattern import Pattern
from graders.plugin import grader
from graders.registry import Registry
from graders.reward_functions import from_openrlhf, from_slime, from_trl, from_verifiers, from_verl
from graders.samples.sample import Sample
from graders.template import Template

__all__ = [
    "CausedBy",
    "ConfigurationError",
    "Context",
    "Embedder",
    "Failure",
    "FailureKind",
    "FailureType",
    "Formula",
    "FormulaError",
    "Grader",
    "GraderError",
    "GraderInfo",
    "GraderResult",
    "GraderType",
    "GradingError",
    "HttpClient",
    "HttpReply",
    "InvalidOptions",
    "Item",
    "Judge",
    "Pattern",
    "PluginError",
    "Problem",
    "Registry",
    "Sample",
    "Sandbox",
    "Score",
    "Template",
    "TemplateError",
    "UnknownGraderType",
    "Verdict",
    "from_openrlhf",
    "from_slime",
    "from_trl",
    "from_verifiers",
    "from_verl",
    "grader",
]
