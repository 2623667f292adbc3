"""Run a bundle on an image. Loading it proves first that it computes here what it computed when it was packed.

Run `make demo` or 01_deploy.py before this one.
"""

import edgewright as ew

with ew.load("runs/demo/bundle") as predict:
    print(f"{len(predict.golden)} comparisons with the golden sample, all passed on {predict.target}")
    found = predict("demo/images/evaluation/3000000.jpg", confidence=0.5)

print(f"{len(found)} objects")
for box, score, class_id in zip(found.xyxy, found.scores, found.class_ids, strict=True):
    left, top, right, bottom = (round(float(corner)) for corner in box)
    print(f"{found.names[class_id]} {score:.2f} at {left}, {top}, {right}, {bottom}")

# prints:
# 3 comparisons with the golden sample, all passed on onnxruntime/cpu
# 5 objects
# ring 0.85 at 138, 102, 264, 232
# ring 0.81 at 516, 53, 573, 105
# ring 0.72 at 564, 64, 608, 106
# square 0.69 at 330, 239, 393, 296
# triangle 0.62 at 179, 0, 425, 183
