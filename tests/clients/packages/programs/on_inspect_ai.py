"""Inspect evaluates a task with a model that says what it is given, and our scorer."""

import json
import sys
import tempfile

from graders_client import GraderClient
from graders_client.trainers.inspect import grader_scorer
from inspect_ai import Task, eval  # noqa: A004
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import ModelOutput, get_model

SAID = ["4", "5", "4"]
samples = [Sample(input="2+2?", target=target) for target in ("4", "4", "no number")]
outputs = [ModelOutput.from_content("mockllm/model", said) for said in SAID]
model = get_model("mockllm/model", custom_outputs=outputs)
with GraderClient(sys.argv[1], "target") as client, tempfile.TemporaryDirectory() as logs:
    task = Task(dataset=MemoryDataset(samples), scorer=grader_scorer(client))
    (log,) = eval(task, model=model, max_samples=1, max_connections=1, log_dir=logs, display="none")
    scores = [next(iter(sample.scores.values())) for sample in log.samples]
    mean = log.results.scores[0].metrics["mean"].value
    sys.stdout.write(
        json.dumps(
            [log.status, [score.value if score.value == score.value else None for score in scores], mean]
        )  # NaN
    )
