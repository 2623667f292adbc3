"""Compare two models, or a model and a bundle, part by part; no verdict, no bundle, nothing written.

Run `make demo` or 01_deploy.py before this one.
"""

import edgewright as ew

found = ew.compare("demo/detector.onnx", "runs/demo/bundle", images="demo/images/calibration")
print(f"{found.head} on {found.images} images")
for part in found.parts:
    print(f"{part.part}: relative L2 {part.relative_l2:.4f}, cosine {part.cosine:.6f}")
print(f"agreement AP {found.metrics['b'].value:.1f}")

# prints:
# yolov8 on 40 images
# boxes: relative L2 0.0238, cosine 0.999721
# scores: relative L2 0.0615, cosine 0.998118
# agreement AP 98.7
