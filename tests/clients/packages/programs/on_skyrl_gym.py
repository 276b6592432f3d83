"""SkyRL-gym makes an environment for each sample, out of its registry."""

import json
import sys

import skyrl_gym

skyrl_gym.register(id="graders", entry_point="graders_client.trainers.skyrl:GradersEnv")
found = []
for said, truth in (("4", "4"), ("5", "4"), ("4", "no number")):
    extras = {"reward_spec": {"ground_truth": truth}, "max_turns": 1}
    env = skyrl_gym.make("graders", env_config={"url": sys.argv[1], "grader": "truth"}, extras=extras)
    env.init([{"role": "user", "content": "2+2?"}])
    step = env.step(said)
    found.append([step["reward"], step["done"], step["metadata"]["graded"]])
    env.close()
sys.stdout.write(json.dumps(found))
