"""The command ``medft``: one file per verb."""
