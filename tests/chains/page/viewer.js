"use strict";

// What browser_viewer.py asks of this page: play(), answer(), take() and figures().
const video = document.querySelector("video");
const shown = [];
let clockOffset = 0;
let hls = null;
let codec = null;
let peer = null;

/** Notes each frame that the browser shows: its time, when it came, and its width. */
function note() {
  const came = Math.round(Date.now() + clockOffset);
  shown.push([readCode(video), came, video.videoWidth]);
  video.requestVideoFrameCallback(note);
}

/** Takes what is to be added to this page's clock to get that of the camera. */
function start(offset) {
  clockOffset = offset;
  video.requestVideoFrameCallback(note);
  setInterval(async () => {
    document.querySelector("pre").textContent = JSON.stringify(await figures(), null, 1);
  }, 500);
}

/** Plays HLS through hls.js. */
function play(playlist) {
  hls = new Hls();
  hls.on(Hls.Events.ERROR, (_, data) => console.log(`hls.js: ${data.type}: ${data.details}, fatal: ${data.fatal}`));
  hls.on(Hls.Events.BUFFER_CODECS, (_, tracks) => {
    codec = tracks.video.codec;
  });
  hls.loadSource(playlist);
  hls.attachMedia(video);
}

/** Returns the answer to an offer, with every candidate in it. */
async function answer(offer) {
  peer?.close();
  peer = new RTCPeerConnection();
  peer.ontrack = (event) => {
    video.srcObject = new MediaStream([event.track]);
  };
  await peer.setRemoteDescription({ type: "offer", sdp: offer });
  await peer.setLocalDescription(await peer.createAnswer());
  while (peer.iceGatheringState !== "complete") {
    await new Promise((resolve) => peer.addEventListener("icegatheringstatechange", resolve, { once: true }));
  }
  return peer.localDescription.sdp;
}

/** Returns the frames that were shown since the last call, and whether that was all. */
function take() {
  return { frames: shown.splice(0), ended: video.ended };
}

/** What the browser says about the video. */
async function figures() {
  const quality = video.getVideoPlaybackQuality();
  const result = {
    size: `${video.videoWidth}x${video.videoHeight}`,
    seconds: Math.round(video.currentTime * 10) / 10,
    decoded: quality.totalVideoFrames,
    dropped: quality.droppedVideoFrames,
  };
  if (hls) {
    return { player: `hls.js ${Hls.version}`, codec, ...result };
  }
  const stats = peer ? [...(await peer.getStats()).values()] : [];
  const inbound = stats.find((it) => it.type === "inbound-rtp");
  return {
    player: "RTCPeerConnection",
    codec: stats.find((it) => it.id === inbound?.codecId)?.mimeType,
    decoder: inbound?.decoderImplementation,
    ...result,
  };
}
