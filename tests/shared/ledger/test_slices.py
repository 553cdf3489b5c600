"""Slices and partitions, against Kafka's own test vectors and a Kafka client's partitioner."""

import pytest
from aiokafka import partitioner
from hypothesis import given
from hypothesis import strategies as st

from shared.ledger.slices import SLICE_COUNT, check_partition_count, murmur2, partition_of, slice_of

POWERS_OF_TWO = [1, 2, 4, 8, 16, 32, 64, 128, 256]

# clients/src/test/java/org/apache/kafka/common/utils/UtilsTest.java, testMurmur2
VECTORS = [
    ("21", -973932308),
    ("foobar", -790332482),
    ("a-little-bit-long-string", -985981536),
    ("a-little-bit-longer-string", -1486304829),
    ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
    ("abc", 479470107),
]

# text that UTF-8 can carry
stream_ids = st.text(st.characters(codec="utf-8"), max_size=60)


@pytest.mark.parametrize(("key", "signed"), VECTORS)
def test_the_hash_is_the_one_of_kafkas_own_test_suite(key: str, signed: int) -> None:
    assert murmur2(key.encode()) == signed % 2**32


@given(st.binary(max_size=100))
def test_the_hash_is_the_one_of_the_client_library(key: bytes) -> None:
    assert murmur2(key) == partitioner.murmur2(key)


@given(stream_ids, st.sampled_from(POWERS_OF_TWO))
def test_a_stream_goes_to_the_partition_that_any_kafka_client_gives_its_key(stream_id: str, count: int) -> None:
    partitions = list(range(count))
    theirs = partitioner.DefaultPartitioner()(stream_id.encode(), partitions, partitions)
    assert partition_of(slice_of(stream_id), count) == theirs


@pytest.mark.parametrize(
    ("stream_id", "slice_number"),
    [("", 217), ("21", 236), ("01890a5d-ac96-774b-bcce-b302099a8057", 253), ("gerät-7", 187)],
)
def test_a_slice_is_fixed_for_ever(stream_id: str, slice_number: int) -> None:
    assert slice_of(stream_id) == slice_number


def test_every_slice_is_used() -> None:
    assert {slice_of(f"device-{number}") for number in range(5_000)} == set(range(SLICE_COUNT))


@pytest.mark.parametrize("count", POWERS_OF_TWO)
def test_partitions_share_the_slices_evenly(count: int) -> None:
    partitions = [partition_of(slice_number, count) for slice_number in range(SLICE_COUNT)]
    assert all(partitions.count(partition) == SLICE_COUNT // count for partition in range(count))


@pytest.mark.parametrize("count", [-64, -1, 0, 3, 6, 12, 100, 255, 257, 512])
def test_a_partition_count_that_splits_slices_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match=rf"power of two from 1 to 256 partitions, not {count}:"):
        check_partition_count(count)
    with pytest.raises(ValueError, match="power of two"):
        partition_of(7, count)


def test_the_cache_of_slices_has_a_limit() -> None:
    assert slice_of.cache_parameters()["maxsize"] == 65_536
