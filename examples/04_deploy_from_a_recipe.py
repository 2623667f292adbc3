"""Do a deploy again from the recipe that every run leaves; paths in a recipe count from where the file lies.

Run `make demo` or 01_deploy.py before this one.
"""

import edgewright as ew

run = ew.deploy_recipe("runs/demo/recipe.toml", out="runs/demo")
print(f"{run.verdict}: {run.report.verdict.variant}")
for stage in run.report.profile:
    print(f"{stage.name}: {'taken from the run directory' if stage.reused else 'computed'}")

# prints:
