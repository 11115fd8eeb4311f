// Camera and microphone, and a drawn stand-in for machines that have none (or with ?camera=drawn).

const WIDTH = 960;
const HEIGHT = 600;
const FRAMES_PER_SECOND = 24;
const SOUND = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };

/** {stream, note}: `note` says in words why the picture is drawn, or is null. */
export async function openCamera({ video, name }) {
  if (new URLSearchParams(location.search).get("camera") === "drawn") {
    return { stream: draw({ video, name }), note: null };
  }
  try {
    const wanted = { audio: SOUND, video: video && { width: { ideal: 1280 }, height: { ideal: 720 } } };
    return { stream: await navigator.mediaDevices.getUserMedia(wanted), note: null };
  } catch (error) {
    return { stream: draw({ video, name }), note: reason(error) };
  }
}

/** Stop every track, and what draws. */
export function closeCamera(stream) {
  stream?.getTracks().forEach((track) => track.stop());
  stream?.stopDrawing?.();
}

function reason(error) {
  const why = {
    NotAllowedError: "The browser was not allowed to use camera and microphone",
    NotFoundError: "There is no camera or microphone here",
    NotReadableError: "Another program holds the camera",
  };
  return `${why[error.name] ?? "Camera and microphone did not start"}: a drawn picture stands in.`;
}

function draw({ video, name }) {
  const sound = new AudioContext();
  const quiet = sound.createMediaStreamDestination();
  const stream = new MediaStream(quiet.stream.getAudioTracks());
  let timer = null;
  if (video) {
    const canvas = Object.assign(document.createElement("canvas"), { width: WIDTH, height: HEIGHT });
    const picture = () => paint(canvas.getContext("2d"), name, performance.now() / 1000);
    picture();
    timer = setInterval(picture, 1000 / FRAMES_PER_SECOND);
    canvas.captureStream(FRAMES_PER_SECOND).getVideoTracks().forEach((track) => stream.addTrack(track));
  }
  stream.stopDrawing = () => {
    clearInterval(timer);
    sound.close();
  };
  return stream;
}

/** A person at dusk: sky, drifting lights, head and shoulders. The name decides the colours. */
function paint(pen, name, seconds) {
  const hue = [...name].reduce((all, letter) => all + letter.charCodeAt(0) * 37, 0) % 360;
  const sky = pen.createLinearGradient(0, 0, WIDTH * 0.4, HEIGHT);
  sky.addColorStop(0, `hsl(${hue} 55% 32%)`);
  sky.addColorStop(1, `hsl(${(hue + 50) % 360} 65% 62%)`);
  pen.fillStyle = sky;
  pen.fillRect(0, 0, WIDTH, HEIGHT);
  for (let i = 0; i < 14; i += 1) light(pen, hue, i, seconds);
  const sway = 6 * Math.sin(seconds * 1.3);
  person(pen, hue, WIDTH / 2 + sway, HEIGHT);
  pen.fillStyle = "#ffffffd0";
  pen.font = "500 26px system-ui, sans-serif";
  pen.textAlign = "left";
  pen.fillText(name, 32, HEIGHT - 32);
}

function light(pen, hue, i, seconds) {
  const x = (WIDTH * (0.5 + 0.5 * Math.sin(i * 2.4 + seconds * 0.11))) | 0;
  const y = HEIGHT * (0.1 + 0.6 * Math.abs(Math.sin(i * 1.7 + seconds * 0.07)));
  disc(pen, x, y, 18 + 7 * (i % 5), `hsl(${(hue + 40 + 9 * i) % 360} 90% 80% / 0.16)`);
}

function person(pen, hue, x, floor) {
  const shirt = `hsl(${(hue + 200) % 360} 45% 38%)`;
  pen.fillStyle = shirt;
  pen.beginPath();
  pen.ellipse(x, floor + 30, 215, 190, 0, 0, 2 * Math.PI);
  pen.fill();
  disc(pen, x, floor - 285, 116, `hsl(${(hue + 215) % 360} 35% 22%)`);
  pen.fillStyle = "#e2a981";
  pen.fillRect(x - 36, floor - 215, 72, 75);
  disc(pen, x, floor - 150, 36, "#e2a981");
  pen.fillStyle = "#f1c29b";
  pen.beginPath();
  pen.ellipse(x, floor - 268, 84, 98, 0, 0, 2 * Math.PI);
  pen.fill();
  disc(pen, x - 30, floor - 280, 8, "#3b2a24");
  disc(pen, x + 30, floor - 280, 8, "#3b2a24");
  pen.strokeStyle = "#9c4a3c";
  pen.lineWidth = 6;
  pen.lineCap = "round";
  pen.beginPath();
  pen.arc(x, floor - 242, 30, 0.2 * Math.PI, 0.8 * Math.PI);
  pen.stroke();
}

function disc(pen, x, y, radius, colour) {
  pen.fillStyle = colour;
  pen.beginPath();
  pen.arc(x, y, radius, 0, 2 * Math.PI);
  pen.fill();
}
