//! Who the company is: what it trades in, whom it buys from, whom it sells to.

/// What one supplier delivers: five articles in four sizes each.
pub(super) struct Range {
    pub supplier: &'static str,
    pub city: &'static str,
    pub code: &'static str,
    pub unit: &'static str,
    pub tax_class: &'static str,
    /// Name and what the smallest size costs us, in cents.
    pub articles: [(&'static str, u32); 5],
    /// Each next size costs a quarter more.
    pub sizes: [&'static str; 4],
}

/// Ten suppliers with twenty products each.
pub(super) const RANGES: [Range; 10] = [
    Range {
        supplier: "Schraubenwerk Hagen GmbH",
        city: "Hagen",
        code: "FIX",
        unit: "box",
        tax_class: "standard",
        articles: [
            ("Hex bolts", 640),
            ("Wood screws", 390),
            ("Wall plugs", 280),
            ("Washers", 190),
            ("Threaded rods", 1150),
        ],
        sizes: ["M5", "M6", "M8", "M10"],
    },
    Range {
        supplier: "Remscheider Werkzeug KG",
        city: "Remscheid",
        code: "TOOL",
        unit: "pcs",
        tax_class: "standard",
        articles: [
            ("Claw hammer", 1180),
            ("Combination pliers", 1420),
            ("Screwdriver set", 1890),
            ("Socket set", 4700),
            ("Hand saw", 1640),
        ],
        sizes: ["small", "medium", "large", "professional"],
    },
    Range {
        supplier: "Elektro Import Bremen GmbH",
        city: "Bremen",
        code: "ELEC",
        unit: "pcs",
        tax_class: "standard",
        articles: [
            ("Cable drum", 3900),
            ("LED work light", 2750),
            ("Socket strip", 1290),
            ("Junction box", 340),
            ("Circuit breaker", 980),
        ],
        sizes: ["10 A", "16 A", "25 A", "32 A"],
    },
    Range {
        supplier: "Farben Lindner AG",
        city: "Mannheim",
        code: "PAINT",
        unit: "can",
        tax_class: "standard",
        articles: [
            ("Wall paint white", 1450),
            ("Wood varnish", 1820),
            ("Metal primer", 1690),
            ("Floor coating", 3400),
            ("Wood oil", 1510),
        ],
        sizes: ["1 l", "2.5 l", "5 l", "10 l"],
    },
    Range {
        supplier: "Arbeitsschutz Nord GmbH",
        city: "Kiel",
        code: "SAFE",
        unit: "pcs",
        tax_class: "standard",
        articles: [
            ("Work gloves", 310),
            ("Safety helmet", 1240),
            ("Safety boots", 4300),
            ("Protective goggles", 560),
            ("High-visibility vest", 480),
        ],
        sizes: ["S", "M", "L", "XL"],
    },
    Range {
        supplier: "Holzhandel Schwarzwald KG",
        city: "Freudenstadt",
        code: "WOOD",
        unit: "pcs",
        tax_class: "standard",
        articles: [
            ("Oak board", 2300),
            ("Spruce beam", 1350),
            ("Birch plywood", 2780),
            ("Skirting board", 690),
            ("Beech dowel", 120),
        ],
        sizes: ["18 mm", "22 mm", "28 mm", "40 mm"],
    },
    Range {
        supplier: "Sanitaer Grosshandel Ulm GmbH",
        city: "Ulm",
        code: "PIPE",
        unit: "pcs",
        tax_class: "standard",
        articles: [
            ("Copper pipe", 1580),
            ("Ball valve", 870),
            ("Pipe elbow", 210),
            ("Pipe clamp", 95),
            ("Basin mixer", 5200),
        ],
        sizes: ["15 mm", "18 mm", "22 mm", "28 mm"],
    },
    Range {
        supplier: "Fachverlag Handwerk GmbH",
        city: "Leipzig",
        code: "BOOK",
        unit: "pcs",
        tax_class: "reduced",
        articles: [
            ("Handbook Joinery", 2100),
            ("Handbook Wiring", 2400),
            ("Handbook Plumbing", 2250),
            ("Site log book", 490),
            ("Table book Metal", 1900),
        ],
        sizes: ["part 1", "part 2", "part 3", "part 4"],
    },
    Range {
        supplier: "Maschinen Vogt AG",
        city: "Stuttgart",
        code: "MACH",
        unit: "pcs",
        tax_class: "standard",
        articles: [
            ("Cordless drill", 8900),
            ("Angle grinder", 7400),
            ("Circular saw", 11900),
            ("Orbital sander", 6300),
            ("Rotary hammer", 15900),
        ],
        sizes: ["400 W", "600 W", "900 W", "1200 W"],
    },
    Range {
        supplier: "Kleb- und Dichtstoffe Rhein GmbH",
        city: "Neuss",
        code: "GLUE",
        unit: "pcs",
        tax_class: "standard",
        articles: [
            ("Silicone", 420),
            ("Mounting foam", 530),
            ("Wood glue", 380),
            ("Epoxy resin", 1480),
            ("Sealing tape", 260),
        ],
        sizes: ["100 ml", "300 ml", "500 ml", "1 l"],
    },
];

/// Ten names and five trades make fifty customers.
pub(super) const CUSTOMER_NAMES: [(&str, &str, &str); 10] = [
    ("Nordwind", "20095", "Hamburg"),
    ("Alpenblick", "80331", "Muenchen"),
    ("Hafenkante", "18055", "Rostock"),
    ("Rheinbogen", "50667", "Koeln"),
    ("Lindenhof", "04109", "Leipzig"),
    ("Sternberg", "70173", "Stuttgart"),
    ("Falkensee", "14612", "Falkensee"),
    ("Birkenfeld", "55765", "Birkenfeld"),
    ("Sonnenuhr", "60311", "Frankfurt am Main"),
    ("Kupferkanne", "99084", "Erfurt"),
];
pub(super) const CUSTOMER_TRADES: [&str; 5] =
    ["Bau GmbH", "Tischlerei GmbH", "Elektrotechnik AG", "Hausverwaltung KG", "Handels GmbH"];

pub(super) const PRODUCTS: usize = 200;
pub(super) const CUSTOMERS: usize = CUSTOMER_NAMES.len() * CUSTOMER_TRADES.len();
pub(super) const SUPPLIERS: usize = RANGES.len();
pub(super) const WAREHOUSES: [(&str, &str); 2] =
    [("MAIN", "Main warehouse Kassel"), ("SOUTH", "South depot Augsburg")];

/// A product of the catalogue.
#[derive(Debug)]
pub(super) struct Article {
    pub sku: String,
    pub name: String,
    pub unit: &'static str,
    pub tax_class: &'static str,
    /// What it costs us, in cents.
    pub cost_cents: u32,
    pub supplier: usize,
}

impl Article {
    /// The list price for one, in cents: a margin of 45 % on the cost.
    pub(super) fn price_cents(&self) -> u32 {
        self.cost_cents * 145 / 100
    }
}

/// The products, ordered by supplier.
pub(super) fn articles() -> Vec<Article> {
    let mut articles = Vec::with_capacity(PRODUCTS);
    for (supplier, range) in RANGES.iter().enumerate() {
        for (i, (name, cost)) in range.articles.iter().enumerate() {
            for (j, size) in range.sizes.iter().enumerate() {
                articles.push(Article {
                    sku: format!("{}-{}{:02}", range.code, i + 1, (j + 1) * 10),
                    name: format!("{name} {size}"),
                    unit: range.unit,
                    tax_class: range.tax_class,
                    cost_cents: cost * (4 + j as u32) / 4,
                    supplier,
                });
            }
        }
    }
    articles
}
