"""All small programs in pairs, of which a rule holds for one half and not for the other."""

from __future__ import annotations

from tests.scan.ways_again import AGAIN
from tests.scan.ways_beside import ASIDE
from tests.scan.ways_in_turns import IN_TURNS
from tests.scan.ways_left_over import LEFT_OVER
from tests.scan.ways_of_beginning import BEGUN
from tests.scan.ways_of_building import PUT_TOGETHER
from tests.scan.ways_of_coupling import COUPLED
from tests.scan.ways_of_drawing import DRAWN
from tests.scan.ways_of_ending import ENDED
from tests.scan.ways_of_engines import ENGAGED
from tests.scan.ways_of_epsilon import TOLD
from tests.scan.ways_of_gradients import OF_GRADIENTS
from tests.scan.ways_of_inheriting import INHERITED
from tests.scan.ways_of_rounds import GOING_ON
from tests.scan.ways_of_seeding import SEEDED
from tests.scan.ways_of_writing import OF_THE_SUM
from tests.scan.ways_round_about import ROUND_ABOUT
from tests.scan.ways_within import WITHIN

PAIRS = (
    *OF_THE_SUM,
    *ROUND_ABOUT,
    *WITHIN,
    *PUT_TOGETHER,
    *GOING_ON,
    *AGAIN,
    *ASIDE,
    *LEFT_OVER,
    *IN_TURNS,
    *BEGUN,
    *ENDED,
    *ENGAGED,
    *TOLD,
    *DRAWN,
    *SEEDED,
    *COUPLED,
    *OF_GRADIENTS,
    *INHERITED,
)
