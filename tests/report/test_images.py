"""Pictures of images: what is where, in which grey."""

import numpy as np
import pytest

from pushforward.core import InvalidInput
from pushforward.report import sample_grid, trajectories
from pushforward.report.arrays import images, is_image
from pushforward.report.mosaic import mosaic


def _raster(figure, axes=0):
    return np.asarray(figure.axes[axes].images[0].get_array())


class TestMosaic:
    def test_every_value_becomes_a_square_of_whole_pixels(self, rng):
        image = rng.random((1, 5, 5))
        raster = mosaic([[image, None], [None, image]], [(0.0, 1.0)] * 2, width=50)
        scale = 4  # 2 x 5 values and a gap of one are 11 wide: four times that is the most below 50
        assert raster.shape == (44, 44, 3)
        assert (raster[20:24] == 255).all()  # the gap
        assert (raster[:20, 24:] == 255).all()  # the empty place
        grey = np.rint(255 * image[0]).astype(np.uint8)
        assert np.array_equal(raster[:20, :20, 0], np.kron(grey, np.ones((scale, scale), dtype=np.uint8)))

    def test_colour_channels_keep_their_order(self):
        red = np.zeros((3, 4, 4))
        red[0] = 1.0
        assert mosaic([[red]], [(0.0, 1.0)], width=4)[0, 0].tolist() == [255, 0, 0]

    def test_what_is_not_finite_is_red(self):
        image = np.zeros((1, 4, 4))
        image[0, 1, 2] = np.nan
        raster = mosaic([[image]], [(0.0, 1.0)], width=4)
        assert raster[1, 2].tolist() == [220, 38, 38]
        assert (np.delete(raster.reshape(16, 3), 6, axis=0) == 0).all()


class TestSampleGrid:
    def test_a_class_has_a_row_and_missing_images_leave_white(self):
        # the image of class c has the value c throughout
        cond = np.array([5, 2, 2, 9])
        real_cond = np.array([2, 9, 9, 9, 7])
        x, real = (np.broadcast_to(c[:, None, None], (len(c), 4, 4)).astype(float) for c in (cond, real_cond))
        figure = sample_grid(x, cond, real, real_cond)
        assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == ["2", "5", "9"]
        raster, held = _raster(figure)[..., 0], _raster(figure, 1)[..., 0]
        scale = raster.shape[0] // 14  # three rows of four values and two gaps of one
        level = {2: 0, 5: round(255 * 3 / 7), 9: 255}
        for row, c in enumerate((2, 5, 9)):
            top = 5 * row * scale
            assert raster[top, 1] == level[c]
            assert held[top, 1] == (255 if c == 5 else level[c])  # there is no real five
        assert (held[:, held.shape[1] // 2 :] == 255).all()  # and no class has more than three

    def test_both_blocks_share_one_scale_that_clips_nothing(self, rng):
        x, real = rng.uniform(-3, 0, (8, 6, 6)), rng.uniform(0, 2, (8, 6, 6))
        figure = sample_grid(x, None, real)
        generated, held = _raster(figure), _raster(figure, 1)
        assert generated.min() == 0
        assert held[..., 0][held[..., 0] < 255].max() <= 254
        middle = 255 * (0 - x.min()) / (real.max() - x.min())  # where x ends and real begins
        inside = generated[..., 0][generated[..., 0] < 255]
        assert inside.max() <= middle + 1
        assert held.min() >= middle - 1

    def test_labels_that_say_nothing_are_no_classes(self, rng):
        x = rng.random((6, 8, 8))
        plain = _raster(sample_grid(x))
        assert np.array_equal(plain, _raster(sample_grid(x, np.full(6, -1))))
        assert np.array_equal(plain, _raster(sample_grid(x, rng.random((6, 3)))))

    def test_a_cut_in_classes_is_told(self, rng):
        figure = sample_grid(rng.random((30, 8, 8)), np.arange(30))
        assert "the first 10 of 30 classes" in figure.texts[0].get_text()

    def test_flat_rows_with_a_shape(self, rng):
        x = rng.random((6, 48))
        assert np.array_equal(_raster(sample_grid(x, shape=(6, 8))), _raster(sample_grid(x.reshape(6, 1, 6, 8))))

    @pytest.mark.parametrize(
        ("arguments", "options", "message"),
        [
            ([(5, 64)], {}, r"x has shape \[5, 64\], expected images .* give shape=\(H, W\)"),
            ([(5, 2, 8, 8)], {}, "1 or 3 channels"),
            ([(5, 3, 3)], {}, "expected images"),
            ([(5, 64)], {"shape": (7, 7)}, "do not hold 7 x 7 values"),
            ([(5, 8, 8), None, (5, 9, 9)], {}, "give images of one shape"),
            ([(0, 8, 8)], {}, "no images to show"),
            ([(5, 8, 8), (4,)], {}, r"cond has shape \[4\], expected one entry for each of 5 rows"),
        ],
    )
    def test_wrong_shapes(self, arguments, options, message):
        with pytest.raises(InvalidInput, match=message):
            sample_grid(*(a if a is None else np.zeros(a, dtype=int) for a in arguments), **options)


class TestStrip:
    def test_rows_are_images_and_columns_are_times(self):
        x = np.zeros((3, 2, 4, 4))
        x[:, 1] = 1.0  # the second image is always the brighter one, whatever the spread at that time
        x *= np.array([1.0, 5.0, 100.0])[:, None, None, None]
        figure = trajectories(x, np.array([0.0, 0.5, 1.0]))
        assert [t.get_text() for t in figure.axes[0].get_xticklabels()] == ["t = 0.00", "t = 0.50", "t = 1.00"]
        raster = _raster(figure)[..., 0]
        scale = raster.shape[1] // 14  # three columns of four values and two gaps of one
        for left in (0, 5 * scale, 10 * scale):
            assert raster[0, left] == 0
            assert raster[-1, left] == 255

    def test_long_trajectories_are_thinned_and_keep_their_ends(self, rng):
        times = np.linspace(0, 1, 101)
        labels = [t.get_text() for t in trajectories(rng.random((101, 2, 8, 8)), times).axes[0].get_xticklabels()]
        assert len(labels) == 10
        assert (labels[0], labels[-1]) == ("t = 0.00", "t = 1.00")


class TestLines:
    def test_lines_join_the_states_in_order(self, rng):
        x, times = rng.standard_normal((5, 7, 2)), np.linspace(0, 1, 5)
        lines, start, end = trajectories(x, times).axes[0].collections
        segments = np.array(lines.get_segments()).reshape(7, 4, 2, 2)
        assert np.allclose(segments[:, :, 0], x[:-1].swapaxes(0, 1))
        assert np.allclose(segments[:, :, 1], x[1:].swapaxes(0, 1))
        assert np.allclose(lines.get_array().reshape(7, 4), (times[:-1] + times[1:]) / 2)
        assert np.allclose(start.get_offsets(), x[0])
        assert np.allclose(end.get_offsets(), x[-1])

    def test_numbers_run_against_time(self, rng):
        x, times = rng.standard_normal((5, 7)), np.linspace(0, 1, 5)
        _, _, end = trajectories(x, times).axes[0].collections
        assert np.allclose(end.get_offsets(), np.stack([np.ones(7), x[-1]], axis=1))

    @pytest.mark.parametrize(
        ("shape", "times", "message"),
        [
            ((3, 5, 2), 4, "for 4 times"),
            ((1, 5, 2), 1, "K >= 2"),
            ((3, 5, 3), 3, r"expected points \[K, n, 2\]"),
            ((3, 0, 2), 3, r"expected \[K, n, \.\.\.\]"),
        ],
    )
    def test_wrong_shapes(self, shape, times, message):
        with pytest.raises(InvalidInput, match=message):
            trajectories(np.zeros(shape), np.linspace(0, 1, times))


def test_images_are_floats_of_four_axes():
    assert images(np.zeros((2, 8, 8), dtype=np.uint8)).shape == (2, 1, 8, 8)
    assert images(np.zeros((2, 8, 8), dtype=np.uint8)).dtype == np.float64
    assert [is_image(event) for event in [(3, 4, 4), (4, 4), (4, 4, 3), (2, 4, 4), (3, 3), (16,), ()]] == [
        True,
        True,
        False,
        False,
        False,
        False,
        False,
    ]


def test_the_two_times_of_a_flow_map_fill_no_page():
    few, many = (trajectories(np.zeros((k, 6, 1, 8, 8)), np.linspace(0, 1, k)) for k in (2, 10))
    assert few.get_figheight() < 1.6 * many.get_figheight()
    assert few.get_figwidth() < many.get_figwidth() / 2
