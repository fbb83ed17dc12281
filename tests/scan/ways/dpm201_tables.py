"""DPM201, unseeded-noise-generator: generators whose makers stand in tables of the program's own."""

from __future__ import annotations

from tests.scan.ways.programs import HEAD, Pair

MAKER = """
@TABLE.REGISTER
def fresh():
    made = torch.Generator()
    FACT
    return made


net = nn.Linear(16, 4)
net, optimizer, loader = PrivacyEngine().make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(data(), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
    noise_generator=TABLE["fresh"](),
)
"""

DICT = """
class Table(dict):
    def register(self, maker):
        self[maker.__name__] = maker
        return maker

    def by_name(self, name):
        def put(maker):
            self[name] = maker
            return maker

        return put


TABLE = Table()

"""

PLAIN = """
class Table:
    def __init__(self):
        self.makers = {}

    def register(self, maker):
        self.makers[maker.__name__] = maker
        return maker

    def __getitem__(self, name):
        return self.makers[name]


TABLE = Table()

"""

PAIRS = tuple(
    Pair(
        "DPM201",
        f"maker-in-a-table-{name}",
        HEAD + table + MAKER.replace("REGISTER", how),
        "pass",
        "made.seed()",
    )
    for name, table, how in (
        ("dict", DICT, "register"),
        ("dict-by-name", DICT, 'by_name("fresh")'),
        ("plain", PLAIN, "register"),
        (
            "user-dict",
            "from collections import UserDict\n" + DICT.replace("(dict)", "(UserDict)"),
            "register",
        ),
    )
)
