#!/usr/bin/python3
"""Draws the test pictures and writes what Pillow makes of them.

Needs Pillow (the committed files were made with 9.4.0). Run in this folder:

    python3 generate.py

    pictures/*        one picture for every format and pixel type that the reader knows
    pictures/*.raw    Image.open, ImageOps.exif_transpose, convert("RGB"): rows of R G B bytes;
                      the size is the picture's (width and height swapped for orientations 5 to 8)
    pictures/rgb.png.grey    convert("L") of it
    resize/edge30_crop24.bin pictures/rgb.png resized to a shortest edge of 30, cropped to 24
    resize/source.png the picture that is resized
    resize/F_WxH.raw  source.resize((W, H), F), F the number of the filter
"""
import os
import random
import struct
import zlib

from PIL import Image, ImageDraw, ImageOps

random.seed(7)


def scene(w, h, noise=24):
    """Slopes, hard edges and noise: something for every filter to get wrong."""
    im = Image.new("RGB", (w, h))
    px = im.load()
    for y in range(h):
        for x in range(w):
            v = (255 * x // w, 255 * y // h, 255 - 255 * (x + y) // (w + h))
            px[x, y] = tuple(max(0, min(255, c + random.randint(-noise, noise))) for c in v)
    d = ImageDraw.Draw(im)
    d.rectangle((w // 8, h // 8, w // 3, h // 2), fill=(255, 255, 255))
    d.ellipse((w // 2, h // 3, w - 4, h - 4), fill=(0, 0, 0), outline=(255, 0, 0))
    d.line((0, h - 1, w - 1, 0), fill=(0, 255, 0))
    return im


def keep(name, im, **opts):
    path = os.path.join("pictures", name)
    im.save(path, **opts)
    expect(name)


def expect(name):
    path = os.path.join("pictures", name)
    im = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
    with open(path + ".raw", "wb") as f:
        f.write(im.tobytes())


def png16(name, w, h, kind, samples):
    """Pillow does not write 16-bit colour, so the file is put together here. kind: PNG's colour type."""
    def chunk(tag, body):
        return struct.pack(">I", len(body)) + tag + body + struct.pack(">I", zlib.crc32(tag + body))
    n = {0: 1, 2: 3, 4: 2, 6: 4}[kind] * w
    rows = b"".join(b"\0" + struct.pack(">%dH" % n, *samples[y * n:(y + 1) * n]) for y in range(h))
    with open(os.path.join("pictures", name), "wb") as f:
        f.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, 16, kind, 0, 0, 0))
                + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


os.makedirs("pictures", exist_ok=True)
os.makedirs("resize", exist_ok=True)

smooth = scene(45, 37, 4)
grey = smooth.convert("L")
for name, sub in (("444", 0), ("422", 1), ("420", 2)):
    keep("jpeg%s.jpg" % name, smooth, quality=92, subsampling=sub)
keep("progressive.jpg", smooth, quality=85, progressive=True)
keep("tiny.jpg", scene(3, 2), quality=90)
keep("grey.jpg", grey, quality=90)
keep("cmyk.jpg", smooth.convert("CMYK"), quality=92)
small = scene(19, 13, 4)
for o in range(1, 9):
    exif = Image.Exif()
    exif[0x0112] = o
    keep("orient%d.jpg" % o, small, quality=92, subsampling=0, exif=exif)
exif = Image.Exif()
exif[0x0112] = 6
keep("orient6.png", small, exif=exif)
keep("orient6.webp", small, exif=exif, lossless=True)

alpha = smooth.copy()
alpha.putalpha(Image.linear_gradient("L").resize(smooth.size))
keep("rgb.png", smooth)
keep("rgba.png", alpha)
keep("grey.png", grey)
keep("greyalpha.png", Image.merge("LA", (grey, alpha.getchannel("A"))))
keep("palette.png", smooth.quantize(16))
keep("palettealpha.png", smooth.quantize(16), transparency=3)
keep("bilevel.png", smooth.convert("1"))
w, h = 9, 7
png16("rgb16.png", w, h, 2, [random.randrange(65536) for _ in range(w * h * 3)])
png16("rgba16.png", w, h, 6, [random.randrange(65536) for _ in range(w * h * 4)])
expect("rgb16.png")
expect("rgba16.png")
# Pillow clips 16-bit grey at 255, which makes nearly every picture white. The high byte is what is meant.
wide = [random.randrange(65536) for _ in range(w * h)]
png16("grey16.png", w, h, 0, wide)
with open("pictures/grey16.png.raw", "wb") as f:
    f.write(bytes(v >> 8 for v in wide for _ in range(3)))

keep("plain.gif", smooth.quantize(32))
keep("transparent.gif", smooth.quantize(32), transparency=5)
keep("rgb.bmp", smooth)
keep("grey.bmp", grey)
keep("palette.bmp", smooth.quantize(16))
keep("lossy.webp", smooth, quality=80)
keep("lossyalpha.webp", alpha, quality=80)
keep("lossless.webp", smooth, lossless=True)
keep("losslessalpha.webp", alpha, lossless=True, exact=True)
keep("p6.ppm", smooth)
keep("p5.pgm", grey)
for name, body in (("p3.ppm", "P3\n# six pixels\n3 2\n15\n0 0 0  15 15 15  1 2 3\n7 8 9 15 0 0 0 15 0 # end\n"),
                   ("p2.pgm", "P2 4 2 255 0 1 2 3\n252 253 254 255")):
    with open(os.path.join("pictures", name), "w") as f:
        f.write(body)
    expect(name)

with open("pictures/rgb.png.grey", "wb") as f:
    f.write(smooth.convert("L").tobytes())
# Shortest edge 30, bicubic, then the 24 by 24 pixels in the middle.
with open("resize/edge30_crop24.bin", "wb") as f:
    f.write(smooth.resize((36, 30), Image.BICUBIC).crop((6, 3, 30, 27)).tobytes())

source = scene(61, 47, 48)
source.save("resize/source.png")
for w, h in ((32, 32), (61, 20), (13, 47), (7, 5), (1, 1), (97, 71), (60, 48)):
    for f in range(6):
        with open("resize/%d_%dx%d.raw" % (f, w, h), "wb") as out:
            out.write(source.resize((w, h), f).tobytes())
