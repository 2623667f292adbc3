"""Run a bundle on an image. Loading it proves first that it computes here what it computed when it was packed.

Run `make demo` or 01_deploy.py before this one.
"""

import edgewright as ew

with ew.load("runs/demo/bundle") as predict:
    print(f"{len(predict.golden)} comparisons with the golden sample, all passed on {predict.target}")
    found = predict("demo/images/evaluation/3000000.jpg")

print(f"{len(found)} objects")
for box, score, class_id in zip(found.xyxy, found.scores, found.class_ids, strict=True):
    left, top, right, bottom = (round(float(corner)) for corner in box)
    print(f"{found.names[class_id]} {score:.2f} at {left}, {top}, {right}, {bottom}")

# prints:
