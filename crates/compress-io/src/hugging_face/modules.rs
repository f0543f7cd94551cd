//! The modules of a network: how their tensors are named here and there, and their shapes.

/// A module with a weight and perhaps a bias.
#[derive(Debug)]
pub(super) struct Module {
    /// Its name in Hugging Face's libraries, with `{}` for the number of a layer.
    pub(super) hugging_face: &'static str,
    /// Its name in GGUF.
    pub(super) gguf: &'static str,
    /// The shape of the weight. The bias has its first axis alone.
    pub(super) shape: &'static [Size],
    pub(super) bias: Bias,
    /// The weight may be missing.
    pub(super) is_optional: bool,
    /// It is kept in f32, as llama.cpp computes with it.
    pub(super) is_full: bool,
    /// Its rows are permuted within heads: GGUF rotates neighbours, Hugging Face's libraries halves.
    pub(super) is_rotated: bool,
}

/// A length that follows from the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    Vocabulary,
    Hidden,
    FeedForward,
    /// All heads of the queries.
    Queries,
    /// All heads of the keys, and of the values.
    Keys,
    Positions,
    TokenTypes,
}

/// Whether there is a bias.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bias {
    Never,
    Optional,
    Always,
}

impl Module {
    pub(super) const fn new(
        hugging_face: &'static str,
        gguf: &'static str,
        shape: &'static [Size],
    ) -> Self {
        Module {
            hugging_face,
            gguf,
            shape,
            bias: Bias::Never,
            is_optional: false,
            is_full: false,
            is_rotated: false,
        }
    }

    pub(super) const fn bias(mut self, bias: Bias) -> Self {
        self.bias = bias;
        self
    }

    pub(super) const fn optional(mut self) -> Self {
        self.is_optional = true;
        self
    }

    pub(super) const fn full(mut self) -> Self {
        self.is_full = true;
        self
    }

    pub(super) const fn rotated(mut self) -> Self {
        self.is_rotated = true;
        self
    }
}

/// A tensor of a module.
#[derive(Clone, Copy, Debug)]
pub(super) struct Named {
    pub(super) module: &'static Module,
    pub(super) layer: Option<u32>,
    pub(super) is_bias: bool,
}

impl Named {
    /// The tensor that has the name `name`, if modules are called as `pattern` says.
    pub(super) fn find(
        modules: &'static [Module],
        name: &str,
        pattern: impl Fn(&Module) -> &'static str,
    ) -> Option<Self> {
        let (stem, part) = name.rsplit_once('.')?;
        let is_bias = match part {
            "weight" => false,
            "bias" => true,
            _ => return None,
        };
        let layers = stem.split('.').filter_map(|word| word.parse().ok());
        let layers = std::iter::once(None).chain(layers.map(Some));
        layers.into_iter().find_map(|layer: Option<u32>| {
            let module = modules.iter().find(|module| {
                let pattern = pattern(module);
                pattern.contains("{}") == layer.is_some() && spell(pattern, layer) == stem
            })?;
            let named = Named {
                module,
                layer,
                is_bias,
            };
            (!is_bias || module.bias != Bias::Never).then_some(named)
        })
    }

    /// Its name in Hugging Face's libraries.
    pub(super) fn hugging_face(&self) -> String {
        spell(self.module.hugging_face, self.layer) + self.part()
    }

    /// Its name in GGUF.
    pub(super) fn gguf(&self) -> String {
        spell(self.module.gguf, self.layer) + self.part()
    }

    fn part(&self) -> &'static str {
        if self.is_bias { ".bias" } else { ".weight" }
    }

    /// Its shape.
    pub(super) fn shape(&self, length: impl Fn(Size) -> usize) -> Vec<usize> {
        let axes = if self.is_bias {
            1
        } else {
            self.module.shape.len()
        };
        self.module.shape[..axes]
            .iter()
            .map(|&size| length(size))
            .collect()
    }
}

fn spell(pattern: &str, layer: Option<u32>) -> String {
    match layer {
        Some(layer) => pattern.replace("{}", &layer.to_string()),
        None => pattern.to_owned(),
    }
}

/// The tensors that must be there, with `layers` layers.
pub(super) fn needed(modules: &'static [Module], layers: u32) -> impl Iterator<Item = Named> {
    let all = move |module: &'static Module| {
        let is_of_layer = module.hugging_face.contains("{}");
        (0..if is_of_layer { layers } else { 1 }).flat_map(move |layer| {
            let named = move |is_bias| Named {
                module,
                layer: is_of_layer.then_some(layer),
                is_bias,
            };
            let weight = (!module.is_optional).then(|| named(false));
            let bias = (module.bias == Bias::Always).then(|| named(true));
            weight.into_iter().chain(bias)
        })
    };
    modules.iter().flat_map(all)
}
