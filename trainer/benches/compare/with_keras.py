"""The networks and their training step in Keras on TensorFlow."""

import keras
import numpy as np
import tensorflow as tf

from draws import Draws


def network(shape, player, probability):
    """The layers of a recipe. `probability` puts a sigmoid behind the logit."""
    layers = keras.layers
    stack = [keras.Input(shape)]
    for layer in player["layers"]:
        if layer.get("batch_norm"):
            raise NotImplementedError("batch normalisation")
        options = {"padding": layer.get("padding", "same"), "strides": layer.get("stride", 1)}
        if layer["op"] == "dense":
            stack += [layers.Flatten()] if len(stack) > 1 else []
            stack += [layers.Dropout(layer["dropout"])] if "dropout" in layer else []
            (height, width), channels = layer["size"], layer["channels"]
            stack.append(layers.Dense(height * width * channels))
        elif layer["op"] == "conv":
            stack.append(layers.Conv2D(layer["channels"], layer["kernel"], **options))
        else:
            stack.append(layers.Conv2DTranspose(layer["channels"], layer["kernel"], **options))
        if layer["activation"] == "leaky_relu":
            stack.append(layers.LeakyReLU(negative_slope=layer["slope"]))
        elif layer["activation"] != "linear":
            stack.append(layers.Activation(layer["activation"]))
        if layer["op"] == "dense" and (height, width) != (1, 1):
            stack.append(layers.Reshape((height, width, channels)))
    return keras.Sequential(stack + ([layers.Activation("sigmoid")] if probability else []))


def optimiser(o):
    if o["rule"] == "adam":
        return keras.optimizers.Adam(o["lr"], beta_1=o["beta1"], beta_2=o["beta2"], epsilon=o["epsilon"])
    rate = keras.optimizers.schedules.InverseTimeDecay(o["lr"], 1, o["decay"])
    return keras.optimizers.RMSprop(rate, rho=o["rho"], epsilon=o["epsilon"], clipvalue=o["clip"])


class Net:
    def __init__(self, config, variant, threads):
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
        if "augment" in config or config["ema_decay"] or not config["fresh_latents"]:
            raise NotImplementedError("augmentation, averages of weights, latents used twice")
        calls = variant == "calls"
        self.draws, labels = Draws(config), config["labels"]
        self.generator = network((config["latent"],), config["generator"], False)
        self.discriminator = network((self.draws.side, self.draws.side, 3), config["discriminator"], calls)
        self.g_optimiser = optimiser(config["generator"]["optimizer"])
        self.d_optimiser = optimiser(config["discriminator"]["optimizer"])
        self.real_label = np.full(config["batch"], labels["real"], np.float32)
        self.step = self.step_by_calls if calls else self.step_by_functions
        if calls:
            self.compile()
        else:
            self.d_step, self.g_step = tf.function(self.d_step), tf.function(self.g_step)

    def step_by_functions(self):
        draws = self.draws
        fake = self.generate(tf.constant(draws.latents()))
        pictures = tf.concat([fake, tf.constant(draws.real())], 0)
        d_loss = self.d_step(pictures, tf.constant(draws.targets()))
        g_loss = self.g_step(tf.constant(draws.latents()), tf.constant(self.real_label))
        return float(d_loss), float(g_loss)

    @tf.function
    def generate(self, latents):
        return self.generator(latents, training=True)

    def loss(self, logits, targets):
        return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(targets, tf.reshape(logits, [-1])))

    def d_step(self, pictures, targets):
        with tf.GradientTape() as tape:
            loss = self.loss(self.discriminator(pictures, training=True), targets)
        variables = self.discriminator.trainable_variables
        self.d_optimiser.apply_gradients(zip(tape.gradient(loss, variables), variables))
        return loss

    def g_step(self, latents, targets):
        # Gradients of the discriminator's weights are asked for by nobody: the graph leaves them out.
        variables = self.generator.trainable_variables
        with tf.GradientTape() as tape:
            loss = self.loss(self.discriminator(self.generator(latents, training=True), training=True), targets)
        self.g_optimiser.apply_gradients(zip(tape.gradient(loss, variables), variables))
        return loss

    def compile(self):
        """As the tutorial does. Keras 3 looks at `trainable` when a step is first run, where
        earlier ones looked when the model was compiled: so the discriminator is run before
        it is frozen for the other model. `fingerprints` would show that one does not learn."""
        self.discriminator.compile(optimizer=self.d_optimiser, loss="binary_crossentropy")
        draws = self.draws
        pictures = np.concatenate([self.generator.predict(draws.latents(), verbose=0), draws.real()])
        self.discriminator.train_on_batch(pictures, draws.targets())
        self.discriminator.trainable = False
        latents = keras.Input((draws.latent,))
        self.gan = keras.Model(latents, self.discriminator(self.generator(latents)))
        self.gan.compile(optimizer=self.g_optimiser, loss="binary_crossentropy")

    def step_by_calls(self):
        draws = self.draws
        fake = self.generator.predict(draws.latents(), verbose=0)
        d_loss = self.discriminator.train_on_batch(np.concatenate([fake, draws.real()]), draws.targets())
        g_loss = self.gan.train_on_batch(draws.latents(), self.real_label)
        return float(d_loss), float(g_loss)

    def parameters(self):
        return self.generator.count_params(), self.discriminator.count_params()

    def fingerprints(self):
        return [float(sum(np.abs(w).sum(dtype=np.float64) for w in m.get_weights()))
                for m in (self.generator, self.discriminator)]
