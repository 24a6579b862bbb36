#!/usr/bin/env python3
"""Tests of trainer/interop/pytorch_dcgan that need no other program. `tests/torch.sh` runs them.

    pip install torch numpy pillow
    python trainer/tests/interop/test_pytorch_dcgan.py
"""

import gzip
import json
import pickle
import struct
import sys
import tempfile
import tomllib
import unittest
import zlib
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

TRAINER = Path(__file__).resolve().parents[2]
sys.path.append(str(TRAINER / "interop"))
from pytorch_dcgan import arrays, augment, distil, folding, latents, pictures, recipe as recipes  # noqa: E402
from pytorch_dcgan.error import Refused  # noqa: E402
from pytorch_dcgan.inputs import Draws  # noqa: E402
from pytorch_dcgan.networks import equal_gain  # noqa: E402
from pytorch_dcgan.run import Processes, Run, read_checkpoint  # noqa: E402
from pytorch_dcgan.step import Step  # noqa: E402

PRESETS = sorted((TRAINER / "presets").glob("*.toml"))
TINY = TRAINER / "tests/golden/pytorch/conditional.toml"
JOINT = TRAINER / "tests/golden/pytorch/joint.toml"
DISTILLED = TRAINER / "tests/golden/pytorch/distilled.toml"
MODELS = TRAINER.parent / "models"


def tiny(**changes):
    return recipes.checked(recipes.read(TINY) | changes)


def noise(count, *shape):
    return np.random.default_rng(7).integers(0, 256, (count, *shape), dtype=np.uint8)


class Latents(unittest.TestCase):
    def test_they_are_those_of_gen_core(self):
        # The values of gen-core/tests/latent.rs.
        golden = {0: [-50, 16, 18, -24, 42, 36, 15, 22, -11, -13, -61, 14],
                  42: [-29, 18, -23, 41, 25, -12, -2, -3, 21, -27, 22, 27],
                  65_536: [-22, -12, -20, -10, 50, -53, -2, -29, 6, -5, 22, -23],
                  2**32 - 1: [-22, 52, -62, -41, 2, 34, -34, 26, 20, -13, -8, -62]}
        for seed, values in golden.items():
            self.assertEqual(latents.steps_of_seeds([seed], 12)[0].tolist(), values)
        steps = latents.steps_of_seeds(np.arange(10_000), 128).astype(np.int8)
        self.assertEqual(zlib.crc32(steps.tobytes()), 0x94529912)

    def test_those_of_training_have_the_same_distribution(self):
        values = latents.sampled(np.random.default_rng(1), 2000, 100)
        self.assertTrue(np.array_equal(values * 32, np.round(values * 32)))
        self.assertLess(abs(values.mean()), 0.02)
        self.assertLess(abs(values.var() - 1), 0.02)


class Recipes(unittest.TestCase):
    def test_every_preset_is_read_and_written_again(self):
        self.assertGreaterEqual(len(PRESETS), 10)
        for path in [*PRESETS, DISTILLED]:
            recipe = recipes.read(path)
            self.assertEqual(recipes.parse(recipes.to_toml(recipe), path), recipe)

    def test_what_is_not_supported_is_refused_with_its_key(self):
        text = TINY.read_text()
        cases = [("batch = 4", "batch = 4\nbach = 4", "bach"), ("steps = 6", "", "steps"),
                 ('classes = "labels"', 'classes = "auto:10"', "classes"), ('op = "dense"', 'op = "pool"', "layers[0].op"),
                 ('activation = "tanh"', 'activation = "gelu"', "generator.layers[3].activation"),
                 ('rule = "adam"', 'rule = "lion"', "generator.optimizer.rule"), ("beta1 = 0.5", "beta3 = 0.5", "beta3"),
                 ("translate = 0.125", "rotate = 1", "augment.rotate"), ("batch = 4", 'loss = "wasserstein"\nbatch = 4', "loss"),
                 ("batch = 4", "batch = 4\nrange = \"unit\"\npenalty = { real = 1 }", "penalty.every"),
                 ("batch = 4", "batch = 4\ndistil = { pixels = 1.0 }", "distil.teacher"),
                 ("batch = 4", 'batch = 4\ndistil = { teacher = "one", pixels = 0, features = 0 }', "distil"),
                 ("batch = 4", "batch = 4\nholdout = 0.7", "holdout"),
                 ("batch = 4", "batch = 4\njoint_batch_norm = 9\npenalty = { real = 1, every = 4 }", "penalty: not together"),
                 ('op = "conv", ', 'op = "conv", equal_gain = true, ', "equal_gain"),
                 ("batch_norm = true, dropout", "batch_norm = true, layer_norm = true, dropout", "discriminator.layers[1]: one of"),
                 ("channels = 5, batch_norm", "channels = 5, layer_norm", "generator.layers: layer_norm"),
                 ("channels = 1, dropout", "channels = 1, layer_norm = true, dropout", "layer_norm of a layer with a single value"),
                 ("channels = 1, dropout", "channels = 2, dropout", "discriminator.layers")]
        for old, new, key in cases:
            self.assertIn(old, text)
            with self.assertRaises(Refused) as caught:
                recipes.parse(text.replace(old, new, 1), "mine.toml")
            self.assertIn(key, str(caught.exception))
            self.assertTrue(str(caught.exception).startswith("mine.toml: "))
        with self.assertRaisesRegex(Refused, "mine.toml: joint_batch_norm: the discriminator has no batch_norm"):
            # Joint steps of a discriminator without batch normalisation.
            generator, discriminator = JOINT.read_text().split("[discriminator]")
            recipes.parse(f"{generator}[discriminator]{discriminator.replace('batch_norm = true, ', '')}", "mine.toml")

    def test_other_spellings_are_the_same(self):
        text = TINY.read_text()
        other = text.replace("ema_decay", "ema").replace("optimizer", "optimiser").replace("color", "colour")
        self.assertEqual(recipes.parse(other, ""), recipes.parse(text, ""))

    def test_few_pictures_are_augmented_more(self):
        recipe = recipes.read(TRAINER / "presets/pocket.toml")
        few, many = (recipes.resolved_for(recipe, count) for count in (999, 1000))
        self.assertEqual(few["augment"], recipe["small_dataset"]["augment"])
        self.assertEqual(many["augment"], recipe["augment"])
        self.assertIsNone(few["small_dataset"])


class Weights(unittest.TestCase):
    def test_smooth_transposed_convolutions_enlarge_bilinearly(self):
        recipe = recipes.read(TRAINER / "presets/pocket.toml")
        generator = Step(recipe).generator
        layer = generator.layers[1].linear
        self.assertAlmostEqual(float(layer.weight.detach().square().mean().sqrt()), 0.02, delta=0.001)
        # A slope along x stays one, without a step between neighbours, away from the edges.
        y = layer(torch.arange(8.0).expand(1, layer.in_channels, 8, 8)).detach()[0, :, 8, 2:14]
        steps = y.diff(dim=1)
        self.assertLess(float((steps - steps[:, :1]).abs().max()), 1e-4 * float(steps.abs().max()))

    def test_with_equal_gains_an_even_map_stays_even(self):
        for kernel, stride in ((4, 2), (3, 2), (5, 3)):
            def spread(weights, kernel=kernel, stride=stride):
                even = torch.tensor([1.0, -2.0, 0.5]).view(1, 3, 1, 1).expand(1, 3, 8, 8)
                inside = F.conv_transpose2d(even, weights, stride=stride)[:, :, kernel:-kernel, kernel:-kernel]
                return float((inside - inside[:, :, :1, :1]).abs().max())

            weights = torch.randn(3, 2, kernel, kernel)
            equal = equal_gain(weights, (stride, stride))
            self.assertGreater(spread(weights), 0.1)
            self.assertLess(spread(equal), 1e-5)
            self.assertLess(float((equal_gain(equal, (stride, stride)) - equal).abs().max()), 1e-6)


class Inputs(unittest.TestCase):
    def test_processes_share_what_one_would_draw(self):
        recipe = tiny(class_names=["a", "b"], fresh_latents=True)
        labels = np.arange(10, dtype=np.uint8) % 2
        draws = Draws(recipe, noise(10, 8, 8, 3), labels)
        for step in (0, 7):
            whole, again = draws.of_step(step), Draws(recipe, draws.pictures, labels).of_step(step)
            parts = [draws.of_step(step, rank, 2) for rank in (0, 1)]
            for name, axis in (("real", 0), ("latents", 0), ("fresh_latents", 0), ("classes", 0), ("changes", 1),
                               ("label_noise", 1)):
                joined = torch.cat([getattr(part, name) for part in parts], axis)
                self.assertTrue(torch.equal(joined, getattr(whole, name)), name)
                self.assertTrue(torch.equal(getattr(again, name), getattr(whole, name)), name)
            for layer, mask in whole.dropout.items():
                self.assertTrue(torch.equal(torch.cat([part.dropout[layer] for part in parts], 1), mask))
        self.assertFalse(torch.equal(draws.of_step(0).latents, draws.of_step(1).latents))

    def test_every_picture_is_shown_once_in_a_pass(self):
        draws = Draws(tiny(), noise(10, 8, 8, 3), None)
        shown = np.concatenate([draws.indices(step) for step in range(5)])
        self.assertEqual(sorted(shown[:10]), list(range(10)))
        self.assertEqual(sorted(shown[10:]), list(range(10)))

    def test_balanced_classes_take_turns(self):
        labels = np.array([0, 1, 1, 1, 1, 1, 1, 1, 1, 2], np.uint8)
        draws = Draws(tiny(class_names=["a", "b", "c", "d"], balance_classes=True, batch=6), noise(10, 8, 8, 3), labels)
        shown = np.concatenate([draws.indices(step) for step in range(5)])
        self.assertEqual(np.bincount(labels[shown]).tolist(), [10, 10, 10])

    def test_held_out_pictures_are_never_shown(self):
        labels = np.repeat(np.arange(3), (100, 50, 10)).astype(np.uint8)
        for classes in (None, labels):
            draws = Draws(tiny(holdout=0.1, batch=16), noise(160, 8, 8, 3), classes)
            shown = np.unique([draws.indices(step) for step in range(30)])
            self.assertEqual(len(shown), 144)
            if classes is not None:
                self.assertEqual(np.bincount(labels[shown]).tolist(), [90, 45, 9])

    def test_changes_stay_within_their_bounds(self):
        settings = {"flip": True, "translate": 0.125, "cutout": 0.5, "color": True}
        changes = augment.draw(np.random.default_rng(1), settings, 2000, 32, 64)
        self.assertEqual([np.abs(changes[:, i]).max() for i in (1, 2)], [4, 8])
        self.assertEqual([(changes[:, i + 1] - changes[:, i]).max() for i in (3, 5)], [16, 32])
        self.assertTrue(0.4 < changes[:, 0].mean() < 0.6)


class Teachers(unittest.TestCase):
    def student(self, teacher, **changes):
        recipe = recipes.read(DISTILLED) | changes
        return recipe | {"distil": recipe["distil"] | {"teacher": str(teacher)}}

    def test_shipped_models_draw_the_pictures_in_their_files(self):
        folders = [path.parent for path in sorted(MODELS.glob("*/generator.safetensors"))]
        self.assertGreaterEqual(len(folders), 5)
        for folder in folders:
            held, _ = arrays.read(folder / "generator.safetensors")
            recipe, _ = distil.generator_in(folder)
            teacher = distil.Teacher(recipe | {"distil": {"teacher": str(folder)}})
            of, classes, expected = (torch.from_numpy(held[name].copy()) if name in held else None
                                     for name in ("check.latent", "check.class", "check.image"))
            drawn = teacher.draw(of, classes)
            self.assertLess(float((drawn - expected).abs().max()), 1e-4, folder.name)

    def test_a_teacher_that_does_not_fit_is_refused_in_words(self):
        with tempfile.TemporaryDirectory() as folder:
            for teacher, words in ((MODELS / "digits", "classes 0, 1"), (MODELS / "drawn-oled", "size or range"),
                                   (folder, "is no teacher")):
                with self.assertRaises(Refused) as caught:
                    distil.Teacher(self.student(teacher))
                self.assertIn(words, str(caught.exception))
            Path(folder, "config.toml").write_text(DISTILLED.read_text())
            with self.assertRaisesRegex(Refused, "trainer export"):
                distil.Teacher(self.student(folder))

    def test_the_distance_of_pictures_is_that_of_means_over_squares(self):
        # The upper left square differs by 1 in all pixels, the upper right one by 1 and -1.
        picture = torch.tensor([[1.0, 1, 1, -1], [1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]).view(1, 1, 4, 4)
        self.assertAlmostEqual(float(distil.of_pictures(picture, torch.zeros_like(picture))), 6 / 16 + 0.25 + 0.25)
        # Squares at the edge are cut.
        ones = torch.ones(2, 3, 7, 6)
        self.assertAlmostEqual(float(distil.of_pictures(ones, 0 * ones)), 3.0, places=6)

    def test_a_step_comes_nearer_to_the_teacher(self):
        recipe = self.student(MODELS / "pocket-tiny-frogs", steps=400, lr_decay_start=1.0)
        recipe |= {"distil": recipe["distil"] | {"pixels": 100.0, "decay_start": 1.0}}
        step, teacher = Step(recipe), distil.Teacher(recipe)
        draws = Draws(recipe, noise(10, 32, 32, 3), None, teacher)
        distances = [float(step.step(draws.of_step(i)).distance) for i in range(200)]
        self.assertLess(np.mean(distances[-20:]), 0.8 * np.mean(distances[:20]))
        self.assertEqual(distil.weights(self.student("one"), 6), (0.0, 0.0))
        self.assertEqual(distil.weights(self.student("one"), 0), (3.0, 5.0))

    def test_in_warm_up_only_the_discriminator_learns(self):
        recipe = tiny(warm_up=2)
        step, draws = Step(recipe), Draws(recipe, noise(10, 8, 8, 3), None)

        def numbers():
            return [torch.cat([p.detach().flatten() for p in network.parameters()]) for _, network in step.networks()]

        for i in range(3):
            before, average = numbers(), [p.clone() for p in step.average]
            step.step(draws.of_step(i))
            learnt = [not torch.equal(a, b) for a, b in zip(before, numbers())]
            self.assertEqual(learnt, [i == 2, True])
            self.assertEqual(all(map(torch.equal, average, step.average)), i < 2)
        again = Step(recipe)
        again.continue_at(3)
        for ours, theirs in ((again.g_optimiser, step.g_optimiser), (again.d_optimiser, step.d_optimiser)):
            self.assertEqual(ours.updates, theirs.updates)


class Pictures(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name)
        self.addCleanup(self.folder.cleanup)

    def load(self, path, shape=(3, 32, 32), source="labels", names=(), one_class=None):
        return pictures.load(path, shape, source, list(names), one_class)

    def test_a_folder_with_classes(self):
        for name, value in (("kind 10/a.png", 200), ("kind 2/b.png", 100), ("kind 2/c.png", 50)):
            (self.path / name).parent.mkdir(exist_ok=True)
            Image.new("RGB", (64, 32), (value, value, value)).save(self.path / name)
        (self.path / "kind 2/broken.png").write_text("no picture")
        found = self.load(self.path, source="folders")
        self.assertEqual((found.class_names, found.labels.tolist()), (["kind 2", "kind 10"], [1, 0, 0]))
        self.assertEqual(found.pixels[:, 0, 0, 0].tolist(), [200, 100, 50])
        self.assertEqual(self.load(self.path, source="off").labels, None)
        self.assertEqual(len(self.load(self.path, one_class="kind 2").pixels), 2)
        self.assertEqual(self.load(self.path, names=["kind 10", "kind 2"]).labels.tolist(), [0, 1, 1])
        Image.new("RGBA", (20, 20), (0, 0, 0, 0)).save(self.path / "hidden.png")
        Image.new("RGBA", (20, 20), (0, 0, 0, 128)).save(self.path / "z.png")
        found = self.load(self.path, (1, 8, 8), source="folders")
        self.assertEqual((found.labels, found.pixels.shape, int(found.pixels[-1, 0, 0, 0])), (None, (4, 8, 8, 1), 127))
        with self.assertRaisesRegex(Refused, "no class dog; it has: kind 2, kind 10"):
            self.load(self.path, one_class="dog")

    def test_the_middle_is_cut_out(self):
        wide = np.zeros((8, 24, 3), np.uint8)
        wide[:, 8:16] = 255
        self.assertTrue((pictures.fit(Image.fromarray(wide), (3, 8, 8)) == 255).all())

    def test_cifar_in_both_forms(self):
        planes = noise(20, 3072)
        labels = [6, 1] * 10
        binary, python = self.path / "cifar-10-batches-bin", self.path / "cifar-10-batches-py"
        binary.mkdir()
        records = np.concatenate([np.array(labels, np.uint8)[:, None], planes], 1)
        (binary / "data_batch_1.bin").write_bytes(records.tobytes())
        whole = self.load(self.path)
        self.assertEqual(whole.class_names, ["automobile", "frog"])
        self.assertTrue(np.array_equal(whole.pixels[3], planes[3].reshape(3, 32, 32).transpose(1, 2, 0)))
        (binary / "data_batch_1.bin").unlink()
        python.mkdir()
        (python / "data_batch_1").write_bytes(pickle.dumps({b"data": planes, b"labels": labels}, protocol=2))
        again = self.load(self.path)
        self.assertTrue(np.array_equal(again.pixels, whole.pixels) and np.array_equal(again.labels, whole.labels))
        self.assertEqual(len(self.load(self.path, source="folders").pixels), 10, "frogs, if no class is asked for")
        (python / "data_batch_1").write_bytes(pickle.dumps({b"data": sys.exit}))
        with self.assertRaisesRegex(Refused, "not read"):
            self.load(self.path)

    def test_idx_and_numpy(self):
        images, labels = noise(6, 28, 28), np.array([3, 1, 3, 1, 3, 1], np.uint8)
        idx = self.path / "train-images-idx3-ubyte.gz"
        idx.write_bytes(gzip.compress(struct.pack(">4B3I", 0, 0, 8, 3, 6, 28, 28) + images.tobytes()))
        (self.path / "train-labels-idx1-ubyte").write_bytes(struct.pack(">4BI", 0, 0, 8, 1, 6) + labels.tobytes())
        found = self.load(self.path, (1, 28, 28))
        self.assertEqual((found.class_names, found.labels.tolist()), (["1", "3"], [1, 0] * 3))
        self.assertTrue(np.array_equal(found.pixels[..., 0], images))
        npz = self.path / "some.npz"
        np.savez(npz, x_train=images / np.float32(255), y_train=labels)
        again = self.load(npz, (1, 28, 28))
        self.assertTrue(np.array_equal(again.pixels, found.pixels) and np.array_equal(again.labels, found.labels))
        np.save(self.path / "planes.npy", noise(4, 3, 16, 16))
        self.assertEqual(self.load(self.path / "planes.npy", (3, 16, 16)).pixels.shape, (4, 16, 16, 3))


class Runs(unittest.TestCase):
    def test_the_finished_generator_draws_what_the_trained_one_draws(self):
        recipe = tiny(class_names=["a", "b", "c"], latent_scale=1.0)
        step = Step(recipe)
        seeds = np.arange(folding.MEASURED) + folding.FIRST_MEASURED
        classes = folding.classes_in_turn(seeds, 3)
        of = torch.from_numpy(latents.of_seeds(seeds, recipe["latent"]))
        with torch.no_grad():
            step.generator.classes.weight.copy_(folding.rounded_classes(step.generator.classes.weight)[0])
            expected = step.generator(of, classes)
        drawn = folding.drawn(recipe, folding.folded(recipe, step.generator, list(step.generator.parameters())), of, classes)
        self.assertLess(float((drawn - expected).abs().max()), 1e-4)

    def test_a_run_that_was_stopped_continues_to_the_same_bits(self):
        torch.set_num_threads(1)
        data = pictures.Dataset(noise(10, 8, 8, 3), np.arange(10, dtype=np.uint8) % 2, ["a", "b"])
        every = {"log": 1, "sample": 100, "checkpoint": 2, "pair": None, "measure": None}
        with tempfile.TemporaryDirectory() as folder:
            def train(name, steps):
                recipe = tiny(class_names=data.class_names, steps=steps, every=every, lr_decay_start=1.0)
                held = read_checkpoint(Path(folder) / name)
                run = Run(Path(folder) / name, recipe, data, {"path": "noise", "class": None}, Processes("cpu"))
                run.begin(held)
                run.train()
                run.locked.close()
                return run.step

            whole = train("whole", 5)
            train("parts", 2)
            with open(Path(folder) / "parts/metrics.jsonl", "a") as file:
                file.write('{"step":3,"lost":0}\n{"step":4,"cut')
            parts = train("parts", 5)
            for (_, a), (_, b) in zip(whole.networks(), parts.networks()):
                self.assertTrue(all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters())))
            self.assertTrue(all(map(torch.equal, whole.average, parts.average)))
            lines = [json.loads(line) for line in (Path(folder) / "parts/metrics.jsonl").read_text().splitlines()]
            self.assertEqual([line["step"] for line in lines], [1, 2, 3, 4, 5])
            self.assertEqual(set(lines[0]), {"step", "seconds", "pictures_per_second", "losses"})
            config = tomllib.loads((Path(folder) / "parts/config.toml").read_text())
            self.assertEqual(config["class_names"], ["a", "b"])
            with self.assertRaisesRegex(Refused, "other pictures"):
                data = pictures.Dataset(noise(11, 8, 8, 3), np.arange(11, dtype=np.uint8) % 2, ["a", "b"])
                train("parts", 6)


if __name__ == "__main__":
    unittest.main()
