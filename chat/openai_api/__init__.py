"""The agents as OpenAI's clients know models: chat completions, each of them a run."""
