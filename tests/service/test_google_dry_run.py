"""Google's dry run of a reward, asked by the unmodified `google-genai` client."""

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import httpx2
import pytest
from google.genai import Client, types
from google.genai.errors import ClientError
from google.oauth2.credentials import Credentials
from pydantic import SecretStr

from runtime import Settings
from tests.judge_server import JudgeServer, answer

PARENT = "projects/p/locations/us-central1"
PATH = f"/v1beta1/{PARENT}/tuningJobs:validateReinforcementTuningReward"
RESPONSE = types.Content(role="model", parts=[types.Part(text="<ans>No</ans> so <ans>Paris</ans>")])
EXAMPLE = types.ReinforcementTuningExample(
    contents=[types.Content(role="user", parts=[types.Part(text="What is the capital of France?")])],
    references={"answer": "Paris"},
    system_instruction=types.Content(parts=[types.Part(text="Be brief.")]),
)
EXTRACT = types.ReinforcementTuningParseResponseConfig(
    parse_type=types.ResponseParseType.REGEX_EXTRACT, regex_extract_expression="<ans>(.*?)</ans>"
)
TOKEN = Credentials("the-key")  # type: ignore[no-untyped-call]  # the library's
SINGLE = types.SingleReinforcementTuningRewardConfig
Serve = Callable[[Settings], AbstractContextManager[str]]


def match(
    expression: str = "{{references.answer}}", name: str = "match"
) -> types.SingleReinforcementTuningRewardConfig:
    return SINGLE(
        reward_name=name,
        parse_response_config=EXTRACT,
        string_match_reward_scorer=types.ReinforcementTuningStringMatchRewardScorer(
            correct_answer_reward=1.0,
            wrong_answer_reward=-1.0,
            string_match_expression=types.ReinforcementTuningStringMatchRewardScorerStringMatchExpression(
                match_operation=types.MatchOperation.EXACT_MATCH, expression=expression
            ),
        ),
    )


def code(source: str, name: str = "code") -> types.SingleReinforcementTuningRewardConfig:
    return SINGLE(
        reward_name=name,
        parse_response_config=EXTRACT,
        code_execution_reward_scorer=types.ReinforcementTuningCodeExecutionRewardScorer(
            python_code_snippet=source
        ),
    )


class CloudRun(http.server.BaseHTTPRequestHandler):
    """A reward service of somebody's."""

    def do_POST(self) -> None:  # the library's name
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        assert body.keys() == {"example", "response", "metadata"}
        right = body["response"]["parts"][0]["text"] == body["example"]["references"]["answer"]
        answer = json.dumps({"reward": float(right), "user_requested_aux_info": "looked at it"}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def cloud_run() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), CloudRun) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def client_of(address: str, **options: Any) -> Client:
    """The official client, which is told nothing but where to ask."""
    given = options or {"project": "p", "location": "us-central1", "credentials": TOKEN}
    return Client(vertexai=True, http_options=types.HttpOptions(base_url=address), **given)


@pytest.fixture(scope="module")
def client(url: str) -> Client:
    return client_of(url)


def dry_run(client: Client, config: Any) -> types.ValidateRewardResponse:
    is_single = isinstance(config, SINGLE)
    return client.tunings.validate_reward(
        parent=PARENT,
        sample_response=RESPONSE,
        example=EXAMPLE,
        **{"single_reward_config" if is_single else "composite_reward_config": config},
    )


def test_a_string_match_gives_its_reward(client: Client) -> None:
    found = dry_run(client, match())
    assert (found.overall_reward, found.error) == (1.0, None)
    assert found.reward_info_details is not None
    assert found.reward_info_details["match"].reward == 1.0
    assert dry_run(client, match("London")).overall_reward == -1.0


def test_code_is_run(client: Client) -> None:
    source = (
        "def evaluate(example, response) -> float:\n"
        "    assert example['systemInstruction']['parts'][0]['text'] == 'Be brief.'\n"
        "    said = response.get('parts', [])[0].get('text')\n"
        "    return 7 if said == example.get('references', {}).get('answer') else -1.0\n"
    )
    assert dry_run(client, code(source)).overall_reward == 1.0


def test_a_composite_shows_each_of_its_rewards_and_which_one_failed(client: Client) -> None:
    weighted = types.CompositeReinforcementTuningRewardConfigWeightedRewardConfig
    good = [
        weighted(reward_config=match(name="a"), weight=3),
        weighted(reward_config=match("London", "b"), weight=1),
    ]
    composite = types.CompositeReinforcementTuningRewardConfig(weighted_reward_configs=good)
    found = dry_run(client, composite)
    assert found.overall_reward == 0.5
    assert found.reward_info_details is not None
    assert {name: info.reward for name, info in found.reward_info_details.items()} == {"a": 1.0, "b": -1.0}
    broken = weighted(
        reward_config=code("def evaluate(example, response):\n    raise ValueError('no')\n"), weight=1
    )
    failed = dry_run(
        client, types.CompositeReinforcementTuningRewardConfig(weighted_reward_configs=[*good, broken])
    )
    assert failed.overall_reward is None
    assert failed.error is not None
    assert "ValueError: no" in failed.error
    assert failed.reward_info_details is not None
    assert failed.reward_info_details["a"].reward == 1.0
    status = failed.reward_info_details["code"].error_status
    assert status is not None
    assert (status.code, "ValueError: no" in str(status.message)) == (3, True)


def test_an_error_is_no_reward(client: Client) -> None:
    found = dry_run(client, match("{{references.none}}"))
    assert found.overall_reward is None
    assert "references.none" in str(found.error)
    assert found.reward_info_details is not None
    assert found.reward_info_details["match"].reward is None


@pytest.mark.full
def test_a_service_is_asked_and_its_words_come_back(serve: Serve, quick: Settings, cloud_run: str) -> None:
    allowed = quick.model_copy(update={"endpoint_hosts": (cloud_run.removeprefix("http://"),)})
    scorer = types.ReinforcementTuningCloudRunRewardScorer(cloud_run_uri=cloud_run)
    config = SINGLE(reward_name="service", parse_response_config=EXTRACT, cloud_run_reward_scorer=scorer)
    with serve(allowed) as address:
        found = dry_run(client_of(address), config)
    assert found.overall_reward == 1.0
    assert found.reward_info_details is not None
    assert found.reward_info_details["service"].user_requested_aux_info == "looked at it"


@pytest.mark.full
def test_an_autorater_is_the_operators_judge(serve: Serve, quick: Settings) -> None:

    scorer = types.ReinforcementTuningAutoraterScorer(
        autorater_prompt="Rate {{response}} for {{prompt}}",
        autorater_config=types.AutoraterConfig(autorater_model="publishers/google/models/gemini-3-pro"),
        autorater_response_parse_config=types.ReinforcementTuningParseResponseConfig(
            parse_type=types.ResponseParseType.REGEX_EXTRACT,
            regex_extract_expression="<score>(.*?)</score>",
        ),
        parsed_response_conversion_scorer=types.ReinforcementTuningAutoraterScorerParsedResponseConversionScorer(),
    )
    config = SINGLE(reward_name="rated", parse_response_config=EXTRACT, autorater_scorer=scorer)
    with JudgeServer([answer({"response": "I thought. <score>0.25</score>"})]) as judge:
        judges = {"gemini-3-pro": {"base_url": judge.url}}
        settings = Settings(judges=judges, judge_cache_mb=0)
        with serve(settings) as address:
            found = dry_run(client_of(address), config)
    assert found.overall_reward == 0.25, found


def test_a_wrong_configuration_is_an_error_of_the_client(client: Client) -> None:
    with pytest.raises(ClientError) as caught:
        dry_run(client, SINGLE(reward_name="a"))
    assert caught.value.code is not None
    assert "expected exactly one of stringMatchRewardScorer" in str(caught.value)


@pytest.mark.full
def test_google_s_key_is_a_key(serve: Serve, quick: Settings) -> None:
    with serve(quick.model_copy(update={"api_keys": (SecretStr("the-key"),)})) as address:
        assert dry_run(client_of(address, api_key="the-key"), match()).overall_reward == 1.0
        assert dry_run(client_of(address), match()).overall_reward == 1.0
        with pytest.raises(ClientError):
            dry_run(client_of(address, api_key="another"), match())


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"example": None}, "example"),
        ({"sampleResponse": "Paris"}, "sampleResponse"),
        ({"sampleResponse": {}}, "sampleResponse"),
        ({"config": {}}, "config"),
        ({"singleRewardConfig": None}, "grader"),
        ({"singleRewardConfig": []}, "grader.singleRewardConfig"),
    ],
)
def test_a_wrong_body_is_a_400(url: str, change: dict[str, Any], param: str) -> None:
    body = {
        "sampleResponse": {"parts": [{"text": "Paris"}]},
        "example": {"references": {"answer": "Paris"}},
        "singleRewardConfig": match().model_dump(mode="json", exclude_none=True),
    }
    assert httpx2.post(url + PATH, json=body).status_code == 200
    assert httpx2.post(url + PATH.replace("v1beta1", "v1"), json=body).status_code == 200
    reply = httpx2.post(url + PATH, json={**body, **change})
    assert reply.status_code == 400, reply.text
    assert reply.json()["error"]["param"] in (param, None)


@pytest.mark.parametrize("number", ["1e999", "9" * 5_000])
def test_a_number_that_cannot_be_held_is_an_error_and_no_reward(url: str, number: str) -> None:
    config = json.dumps(match().model_dump(mode="json", exclude_none=True))
    text = (
        f'{{"sampleResponse": {{"parts": [{{"text": "Paris"}}]}}, "example": {{"references": {{"answer": {number}}}}}, '
        f'"singleRewardConfig": {config}}}'
    )
    reply = httpx2.post(url + PATH, content=text, headers={"content-type": "application/json"})
    assert reply.status_code == 200, reply.text
    assert "overallReward" not in reply.json()
    assert reply.json()["error"]
