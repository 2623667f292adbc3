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
# ring 0.87 at 139, 102, 266, 233
# ring 0.82 at 516, 53, 571, 105
# ring 0.74 at 564, 64, 608, 107
# square 0.67 at 330, 238, 393, 296
# triangle 0.63 at 177, 0, 426, 191
