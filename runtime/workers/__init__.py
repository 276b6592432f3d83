"""Worker processes: where plugin graders run, so that one that hangs, dies or eats memory costs only its own grading."""
