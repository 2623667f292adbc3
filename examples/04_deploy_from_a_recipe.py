"""Do a deploy again from the recipe that every run leaves; paths in a recipe count from where the file lies.

Run `make demo` or 01_deploy.py before this one.
"""

import edgewright as ew

run = ew.deploy_recipe("runs/demo/recipe.toml", out="runs/demo")
print(f"{run.verdict}: {run.report.verdict.variant}")
computed = [stage.name for stage in run.report.profile if not stage.reused]
print("stages computed again:", ", ".join(computed) or "none")

# prints:
# passed: int8, ranges by effect, decoded on the host
# stages computed again: none
