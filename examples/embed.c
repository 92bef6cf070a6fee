/* The element inside a C program: frames in through appsrc, restored ones out through appsink.
 *
 *     cc -Wall -o embed examples/embed.c $(pkg-config --cflags --libs gstreamer-app-1.0 gstreamer-video-1.0)
 *     GST_PLUGIN_PATH=$PWD/target/release ./embed
 *
 * GST_PLUGIN_PATH is where libgstdloralvsr.so is, unless it is installed.
 */
#include <gst/app/app.h>
#include <gst/video/video.h>

enum { WIDTH = 160, HEIGHT = 96, FRAMES = 10, RATE = 25 };

/* On a thread of its own: several frames are under way at a time. */
static gpointer feed(gpointer source) {
  for (int number = 0; number < FRAMES; number++) {
    GstBuffer *buffer = gst_buffer_new_allocate(NULL, WIDTH * HEIGHT * 3, NULL);
    GstMapInfo map;
    if (!gst_buffer_map(buffer, &map, GST_MAP_WRITE)) {
      gst_buffer_unref(buffer);
      break;
    }
    for (int at = 0; at < WIDTH * HEIGHT; at++) {
      map.data[at * 3] = (guint8)(at % WIDTH + number * 3);
      map.data[at * 3 + 1] = (guint8)(at / WIDTH);
      map.data[at * 3 + 2] = 128;
    }
    gst_buffer_unmap(buffer, &map);
    GST_BUFFER_PTS(buffer) = number * GST_SECOND / RATE;
    GST_BUFFER_DURATION(buffer) = GST_SECOND / RATE;
    /* Takes the buffer. */
    if (gst_app_src_push_buffer(source, buffer) != GST_FLOW_OK)
      break;
  }
  gst_app_src_end_of_stream(source);
  return NULL;
}

static void show(GstSample *sample) {
  GstBuffer *buffer = gst_sample_get_buffer(sample);
  GstVideoInfo video;
  GstVideoFrame frame;
  if (!gst_video_info_from_caps(&video, gst_sample_get_caps(sample)) ||
      !gst_video_frame_map(&frame, &video, buffer, GST_MAP_READ))
    return;
  /* Rows may be longer than their pixels. */
  const guint8 *pixels = GST_VIDEO_FRAME_PLANE_DATA(&frame, 0);
  int stride = GST_VIDEO_FRAME_PLANE_STRIDE(&frame, 0);
  const guint8 *middle = pixels + GST_VIDEO_INFO_HEIGHT(&video) / 2 * stride;
  g_print("%" GST_TIME_FORMAT ": %dx%d, the middle row begins with %d %d %d\n", GST_TIME_ARGS(GST_BUFFER_PTS(buffer)),
          GST_VIDEO_INFO_WIDTH(&video), GST_VIDEO_INFO_HEIGHT(&video), middle[0], middle[1], middle[2]);
  gst_video_frame_unmap(&frame);
}

int main(int argc, char **argv) {
  gst_init(&argc, &argv);
  GError *error = NULL;
  char *description = g_strdup_printf(
      "appsrc name=frames caps=video/x-raw,format=RGB,width=%d,height=%d,framerate=%d/1 format=time block=true "
      "max-buffers=2 ! dloralvsr ! appsink name=restored sync=false max-buffers=2",
      WIDTH, HEIGHT, RATE);
  GstElement *pipeline = gst_parse_launch_full(description, NULL, GST_PARSE_FLAG_FATAL_ERRORS, &error);
  g_free(description);
  if (!pipeline) {
    g_printerr("error: %s\n", error->message);
    g_error_free(error);
    return 1;
  }
  GstElement *source = gst_bin_get_by_name(GST_BIN(pipeline), "frames");
  GstElement *sink = gst_bin_get_by_name(GST_BIN(pipeline), "restored");
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  GThread *feeder = g_thread_new("feed", feed, source);

  GstSample *sample;
  while ((sample = gst_app_sink_pull_sample(GST_APP_SINK(sink)))) {
    show(sample);
    gst_sample_unref(sample);
  }
  /* Where the stream ended early, the bus says why. */
  int status = 0;
  GstBus *bus = gst_element_get_bus(pipeline);
  GstMessage *message = gst_bus_pop_filtered(bus, GST_MESSAGE_ERROR);
  if (message) {
    gst_message_parse_error(message, &error, NULL);
    g_printerr("error: %s\n", error->message);
    g_error_free(error);
    gst_message_unref(message);
    status = 1;
  }
  gst_element_set_state(pipeline, GST_STATE_NULL);
  g_thread_join(feeder);
  gst_object_unref(bus);
  gst_object_unref(source);
  gst_object_unref(sink);
  gst_object_unref(pipeline);
  return status;
}
